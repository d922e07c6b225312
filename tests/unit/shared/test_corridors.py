"""A corridor file is read whole or not at all, and a refusal names the file and what is wrong."""

from decimal import Decimal
from pathlib import Path

import pytest

from services.shared.corridors import (
    CorridorAmbiguous,
    CorridorsError,
    CorridorUnsupported,
    load_corridors,
)
from services.shared.money import CurrencyUnknown, Money
from tests.conftest import ROOT

INDIA = """
id = "us-in"
source = { country = "US", currency = "USD" }
destination = { country = "IN", currency = "INR" }
limits = { minimum_usd = "2.00", maximum_usd = "10000.00" }
providers = { onramps = ["stripe"], offramps = ["local_wallet"] }
fx = { sources = ["ecb"], markup_basis_points = 50 }
quote = { lifetime_seconds = 60 }
late_funds = { grace_seconds = 300, tolerance_basis_points = 100 }
recipients.wallet.rail = "wallet"
recipients.wallet.required = { wallet_id = "wallet_id" }
recipients.wallet.example = { wallet_id = "wallet-0001" }
[[fees]]
version = "1"
effective_from = 2026-01-01
flat_usd = "1.00"
percent = "1.5"
minimum_usd = "0.50"
maximum_usd = "1.20"
tier_kind = "whole_amount"
tiers = [
  { from_usd = "100.00", percent = "1.4", cliff = true },
  { from_usd = "1000.00", percent = "1.2", cliff = true },
]
[[fees]]
version = "2"
effective_from = 2026-07-01
percent = "2"
"""


def write(folder: Path, text: str, name: str = "us-in.toml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_corridor_is_found_by_id_and_by_currency(tmp_path: Path) -> None:
    corridors = load_corridors(write(tmp_path, INDIA), live=False)

    assert corridors.get("us-in") is corridors.leading_to("INR")
    assert [corridor.id for corridor in corridors] == ["us-in"]


def test_amounts_and_percentages_are_exact(tmp_path: Path) -> None:
    corridor = load_corridors(write(tmp_path, INDIA), live=False).get("us-in")

    assert corridor.limits.minimum == Money(200, "USD")
    assert corridor.limits.maximum == Money(1_000_000, "USD")
    assert corridor.fees[0].share == Decimal("0.015")
    assert corridor.fees[0].tiers[1].share == Decimal("0.012")


def test_unknown_corridor_is_unsupported(tmp_path: Path) -> None:
    corridors = load_corridors(write(tmp_path, INDIA), live=False)

    with pytest.raises(CorridorUnsupported):
        corridors.get("us-fr")
    with pytest.raises(CorridorUnsupported):
        corridors.leading_to("CHF")
    with pytest.raises(CurrencyUnknown):
        corridors.leading_to("ABC")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorridorsError, match="no corridor files"):
        load_corridors(tmp_path, live=False)


def _to(country: str, currency: str, *, source: str = "US", suffix: str = "") -> tuple[str, str]:
    """The text of a corridor between these ends, and the name of its file."""
    corridor_id = f"{source}-{country}{suffix}".lower()
    text = INDIA.replace('"us-in"', f'"{corridor_id}"').replace('"US"', f'"{source}"')
    text = text.replace('"IN"', f'"{country}"').replace('"INR"', f'"{currency}"')
    return text, f"{corridor_id}.toml"


def test_two_corridors_between_the_same_ends_are_refused_by_the_names_of_both_files(
    tmp_path: Path,
) -> None:
    write(tmp_path, INDIA)
    write(tmp_path, *_to("IN", "INR", suffix="-fast"))

    words = r"us-in-fast\.toml and us-in\.toml both lead from USD in US to INR in IN"
    with pytest.raises(CorridorsError, match=words):
        load_corridors(tmp_path, live=False)


def test_one_country_may_be_paid_in_several_currencies(tmp_path: Path) -> None:
    write(tmp_path, INDIA)
    write(tmp_path, *_to("IN", "EUR", suffix="-eur"))
    corridors = load_corridors(tmp_path, live=False)

    assert corridors.leading_to("INR").id == corridors.leading_to("INR", "IN").id == "us-in"
    assert corridors.leading_to("EUR").id == "us-in-eur"


def test_of_several_countries_with_one_currency_the_country_says_which_is_meant(
    tmp_path: Path,
) -> None:
    for country in ("DE", "FR"):
        write(tmp_path, *_to(country, "EUR"))
    corridors = load_corridors(tmp_path, live=False)

    assert [corridors.leading_to("EUR", country).id for country in ("DE", "FR")] == [
        "us-de",
        "us-fr",
    ]
    with pytest.raises(CorridorAmbiguous) as refusal:
        corridors.leading_to("EUR")
    assert refusal.value.metadata == {
        "destination_currency": "EUR",
        "corridor_ids": "us-de,us-fr",
    }


def test_a_currency_that_is_not_paid_out_in_this_country_is_unsupported(tmp_path: Path) -> None:
    corridors = load_corridors(write(tmp_path, INDIA), live=False)

    with pytest.raises(CorridorUnsupported) as refusal:
        corridors.leading_to("INR", "NP")
    assert refusal.value.metadata == {
        "destination_currency": "INR",
        "destination_country": "NP",
    }


def test_one_destination_may_be_reached_from_several_countries(tmp_path: Path) -> None:
    write(tmp_path, INDIA)
    write(tmp_path, *_to("IN", "INR", source="CA"))
    corridors = load_corridors(tmp_path, live=False)

    assert [corridor.id for corridor in corridors] == ["ca-in", "us-in"]
    with pytest.raises(CorridorAmbiguous):
        corridors.leading_to("INR", "IN")


# Each turns a good file into one that cannot be.
WRONG = [
    ('id = "us-in"', 'id = "us-fr"'),
    ('id = "us-in"', 'id = "India"'),
    ('id = "us-in"', 'id = "us-in"\ncolour = "blue"'),
    ('id = "us-in"', "id = us-in"),
    ('id = "us-in"', 'id = "us-in"\nid = "us-in"'),
    ('"US", currency = "USD"', '"DE", currency = "EUR"'),
    ('"US", currency = "USD"', '"CA", currency = "USD"'),
    ('currency = "INR"', 'currency = "inr"'),
    ('currency = "INR"', 'currency = "USD"'),
    ('currency = "INR"', 'currency = "XXX"'),
    ('currency = "INR"', 'currency = "ABC"'),
    ('country = "IN"', 'country = "India"'),
    ('country = "IN"', 'country = "ZZ"'),
    ('minimum_usd = "2.00"', "minimum_usd = 2.00"),
    ('minimum_usd = "2.00"', "minimum_usd = nan"),
    ('minimum_usd = "2.00"', 'minimum_usd = "NaN"'),
    ('minimum_usd = "2.00"', 'minimum_usd = "2.005"'),
    ('minimum_usd = "2.00"', 'minimum_usd = "2"'),
    ('minimum_usd = "2.00"', 'minimum_usd = "2e0"'),
    ('minimum_usd = "2.00"', 'minimum_usd = "-2.00"'),
    ('minimum_usd = "2.00"', 'minimum_usd = "0.00"'),
    ('minimum_usd = "2.00"', 'minimum_usd = "10000.01"'),
    ('minimum_usd = "2.00"', 'minimum_usd = "1.50"'),
    ('onramps = ["stripe"]', "onramps = []"),
    ('onramps = ["stripe"]', 'onramps = ["stripe", "stripe"]'),
    ('onramps = ["stripe"]', 'onramps = [""]'),
    ('onramps = ["stripe"]', 'onramps = "stripe"'),
    ('offramps = ["local_wallet"]', "offramps = []"),
    ('sources = ["ecb"]', "sources = []"),
    ('sources = ["ecb"]', 'sources = ["ecb", "ecb"]'),
    ("markup_basis_points = 50", "markup_basis_points = -1"),
    ("markup_basis_points = 50", "markup_basis_points = 1001"),
    ("markup_basis_points = 50", "markup_basis_points = true"),
    ("markup_basis_points = 50", "markup_basis_points = 50.0"),
    ("markup_basis_points = 50", "markup_basis_points = 50, maximum_age_hours = 0"),
    ("markup_basis_points = 50", "markup_basis_points = 50, maximum_age_hours = inf"),
    ("lifetime_seconds = 60", "lifetime_seconds = 29"),
    ("lifetime_seconds = 60", "lifetime_seconds = 86401"),
    ("markup_basis_points = 50", "markup_basis_points = 50, closed_market_basis_points = 1001"),
    ("markup_basis_points = 50", "markup_basis_points = 50, refused_while_closed = 1"),
    ("markup_basis_points = 50", "markup_basis_points = 50, maximum_deviation_basis_points = 0"),
    (
        "markup_basis_points = 50",
        'markup_basis_points = 50, mid_bounds = { lowest = "-1", highest = "2" }',
    ),
    ("markup_basis_points = 50", "markup_basis_points = 50, mid_bounds = { lowest = 60 }"),
    ("grace_seconds = 300", "grace_seconds = -1"),
    ("tolerance_basis_points = 100", "tolerance_basis_points = 1001"),
    ('flat_usd = "1.00"', 'flat_usd = "-1.00"'),
    ('flat_usd = "1.00"', 'flat_usd = "1.999"'),
    ('percent = "1.5"', "percent = 1.5"),
    ('percent = "1.5"', 'percent = "100"'),
    ('percent = "1.5"', 'percent = "101"'),
    ('percent = "1.5"', 'percent = "1.50000"'),
    ('percent = "1.5"', 'percent = "-1.5"'),
    ('percent = "1.5"', 'discount = "1.5"'),
    ('minimum_usd = "0.50"', 'minimum_usd = "1.21"'),
    ('minimum_usd = "0.50"', 'minimum_usd = "0.03"'),
    ('maximum_usd = "1.20"', 'maximum_usd = "0.49"'),
    ('maximum_usd = "1.20"', 'maximum_usd = "1.51"'),
    ('percent = "1.4", cliff = true', 'percent = "1.4"'),
    ('percent = "1.4", cliff = true', 'percent = "1.4", cliff = "yes"'),
    ('percent = "1.4", cliff = true', 'percent = "2.2", cliff = true'),
    ('percent = "1.5"', 'percent = "0"'),
    ('tier_kind = "whole_amount"', 'tier_kind = "sliding"'),
    ('tier_kind = "whole_amount"', ""),
    ('from_usd = "100.00", ', ""),
    ('from_usd = "100.00"', 'from_usd = "1000.00"'),
    ('from_usd = "100.00"', 'from_usd = "2000.00"'),
    ('from_usd = "100.00"', 'from_usd = "2.00"'),
    ('from_usd = "1000.00"', 'from_usd = "10000.01"'),
    ('from_usd = "100.00"', 'from_usd = "100.00", flat_usd = "100.00"'),
    ('from_usd = "100.00"', 'from_usd = "100.00", minimum_usd = "9.00", maximum_usd = "8.00"'),
    ("effective_from = 2026-07-01", "effective_from = 2026-07-01\neffective_until = 2026-08-01"),
    ("effective_from = 2026-07-01", "effective_from = 2026-01-01"),
    ("effective_from = 2026-07-01", "effective_from = 2025-07-01"),
    ('version = "2"', 'version = "1"'),
    ('recipients.wallet.rail = "wallet"\n', ""),
    ('rail = "wallet"', 'rail = ""'),
    ("recipients.wallet.rail", "recipients.cheque.rail"),
    ('required = { wallet_id = "wallet_id" }', "required = {}"),
    ('wallet_id = "wallet_id"', 'wallet_id = "wallet"'),
    ('wallet_id = "wallet_id"', 'wallet_id = "operator"'),
    ('wallet_id = "wallet_id"', 'wallet_id = "wallet_id", iban = "iban"'),
    ('wallet_id = "wallet_id"', 'wallet_id = "wallet_id", holder_name = "name"'),
    ('example = { wallet_id = "wallet-0001" }', 'example = { wallet_id = "x" }'),
    ('example = { wallet_id = "wallet-0001" }', 'example = { wallet = "wallet-0001" }'),
    ('wallet_id = "wallet-0001" }', 'wallet_id = "wallet-0001", holder_name = "Ada" }'),
    ("recipients.wallet.example", "recipients.wallet.examples"),
]


@pytest.mark.parametrize(("right", "wrong"), WRONG)
def test_wrong_file_is_refused_by_name(right: str, wrong: str, tmp_path: Path) -> None:
    assert right in INDIA
    write(tmp_path, INDIA.replace(right, wrong, 1))

    with pytest.raises(CorridorsError, match=r"us-in\.toml: ") as refusal:
        load_corridors(tmp_path, live=False)
    assert "\n" not in str(refusal.value)


def _without_tiers(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("tier", "  {", "]")))


def _without_bounds(text: str) -> str:
    """Of the fees: so that they may be of one size."""
    return text.replace('minimum_usd = "0.50"\nmaximum_usd = "1.20"\n', "")


@pytest.mark.parametrize(
    "text",
    [
        INDIA.replace('maximum_usd = "10000.00"', 'maximum_usd = "1000.00"'),
        INDIA.replace('maximum_usd = "1.20"', 'maximum_usd = "0.50"'),
        _without_bounds(_without_tiers(INDIA)).replace('"10000.00"', '"2.00"'),
    ],
    ids=["a tier from the maximum on", "a percentage of one size", "one amount alone"],
)
def test_bounds_may_meet(text: str, tmp_path: Path) -> None:
    assert text != INDIA
    assert load_corridors(write(tmp_path, text), live=False).get("us-in")


@pytest.mark.parametrize(
    "more", ['flat_usd = "1.00"', 'minimum_usd = "1.00"', 'maximum_usd = "2.00"']
)
def test_a_marginal_tier_has_a_percentage_alone(more: str, tmp_path: Path) -> None:
    marginal = INDIA.replace("whole_amount", "marginal").replace(", cliff = true", "")
    load_corridors(write(tmp_path, marginal), live=False)
    write(tmp_path, marginal.replace('percent = "1.2"', f'percent = "1.2", {more}'))

    with pytest.raises(CorridorsError, match="a marginal tier has a percentage alone"):
        load_corridors(tmp_path, live=False)


def test_the_refusal_of_a_minimum_names_an_amount_that_leaves_something(tmp_path: Path) -> None:
    write(tmp_path, INDIA.replace('minimum_usd = "2.00"', 'minimum_usd = "1.00"'))

    with pytest.raises(CorridorsError, match=r"1\.00 USD leaves nothing .* 1\.51 USD would"):
        load_corridors(tmp_path, live=False)


def test_where_even_the_maximum_leaves_nothing_no_amount_is_named(tmp_path: Path) -> None:
    text = _without_bounds(_without_tiers(INDIA)).replace('"2.00"', '"0.50"')
    write(tmp_path, text.replace('maximum_usd = "10000.00"', 'maximum_usd = "1.00"'))

    with pytest.raises(CorridorsError, match=r"0\.50 USD leaves nothing after its fees$"):
        load_corridors(tmp_path, live=False)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\x00", b"a = " + b"[" * 5000, b""])
def test_a_file_that_is_no_toml_is_refused_in_a_sentence(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "us-in.toml").write_bytes(raw)

    with pytest.raises(CorridorsError, match=r"us-in\.toml: ") as refusal:
        load_corridors(tmp_path, live=False)
    assert "\n" not in str(refusal.value)


def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "us-in.toml").mkdir()

    with pytest.raises(CorridorsError, match=r"us-in\.toml: .*IsADirectoryError"):
        load_corridors(tmp_path, live=False)


LIVE = INDIA.replace("markup_basis_points = 50", "markup_basis_points = 50, maximum_age_hours = 72")


def test_outside_a_sandbox_the_age_of_rates_is_bounded(tmp_path: Path) -> None:
    write(tmp_path, INDIA)
    with pytest.raises(CorridorsError, match=r"us-in\.toml: fx\.maximum_age_hours is required"):
        load_corridors(tmp_path, live=True)

    write(tmp_path, LIVE)
    assert load_corridors(tmp_path, live=True).get("us-in").fx.maximum_age_hours == 72


@pytest.mark.parametrize("sources", ['["synthetic"]', '["ecb", "synthetic"]'])
def test_outside_a_sandbox_no_rate_is_made_up(sources: str, tmp_path: Path) -> None:
    write(tmp_path, LIVE.replace('["ecb"]', sources))

    load_corridors(tmp_path, live=False)
    with pytest.raises(CorridorsError, match=r"us-in\.toml: fx\.sources names synthetic"):
        load_corridors(tmp_path, live=True)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ('mid_bounds = { lowest = "110", highest = "60" }', r"fx\.mid_bounds\.lowest is not below"),
        ('mid_bounds = { lowest = "60", highest = "60" }', r"fx\.mid_bounds\.lowest is not below"),
        ("maximum_deviation_basis_points = 100", "compares sources, and there is one"),
        (
            "refused_while_closed = true, closed_market_basis_points = 10",
            "closed_market_basis_points is never used",
        ),
    ],
)
def test_terms_of_rates_that_cannot_be_are_refused(terms: str, words: str, tmp_path: Path) -> None:
    write(tmp_path, LIVE.replace("maximum_age_hours = 72", f"maximum_age_hours = 72, {terms}"))

    with pytest.raises(CorridorsError, match=words):
        load_corridors(tmp_path, live=False)


def test_a_live_rate_that_comes_over_a_network_is_bounded(tmp_path: Path) -> None:
    remote = LIVE.replace('["ecb"]', '["frankfurter"]')
    write(tmp_path, remote)

    load_corridors(tmp_path, live=False)
    with pytest.raises(CorridorsError, match=r"us-in\.toml: fx\.mid_bounds is required"):
        load_corridors(tmp_path, live=True)

    bounds = 'mid_bounds = { lowest = "60", highest = "120" }'
    write(tmp_path, remote.replace("maximum_age_hours = 72", f"maximum_age_hours = 72, {bounds}"))
    load_corridors(tmp_path, live=True)


def _without_recipients(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("recipients"))


@pytest.mark.parametrize("there", ["", "recipients = {}\n"])
def test_a_corridor_without_any_kind_of_recipient_is_refused(there: str, tmp_path: Path) -> None:
    text = _without_recipients(INDIA)
    assert text != INDIA
    write(tmp_path, there + text)

    with pytest.raises(CorridorsError, match=r"us-in\.toml: recipients: "):
        load_corridors(tmp_path, live=False)


def test_every_shipped_corridor_has_an_example_of_each_kind() -> None:
    for corridor in load_corridors(ROOT / "deploy" / "corridors", live=False):
        for kind, rules in corridor.recipient_rules.kinds.items():
            assert rules.example.kind is kind
            assert rules.read(rules.example) == rules.example
