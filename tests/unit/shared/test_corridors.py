"""A corridor file is read whole or not at all, and a refusal names the file and what is wrong."""

from decimal import Decimal
from pathlib import Path

import pytest

from services.shared.corridors import CorridorsError, CorridorUnsupported, load_corridors
from services.shared.money import CurrencyUnknown, Money

INDIA = """
id = "us-in"
source = { country = "US", currency = "USD" }
destination = { country = "IN", currency = "INR" }
limits = { minimum_usd = "1.00", maximum_usd = "10000.00" }
providers = { onramps = ["stripe"], offramps = ["local_wallet"] }
fx = { sources = ["ecb"], markup_basis_points = 50 }
quote = { lifetime_seconds = 60 }
late_funds = { grace_seconds = 300, tolerance_basis_points = 100 }
[[fees]]
version = "1"
effective_from = 2026-01-01
flat_usd = "1.00"
percent = "1.5"
tiers = [{ from_usd = "100.00" }, { from_usd = "1000.00", percent = "1.2" }]
[[fees]]
version = "2"
effective_from = 2026-07-01
percent = "2"
"""


def write(folder: Path, text: str, name: str = "us-in.toml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_corridor_is_found_by_id_and_by_currency(tmp_path: Path) -> None:
    corridors = load_corridors(write(tmp_path, INDIA))

    assert corridors.get("us-in") is corridors.to_currency("INR")
    assert [corridor.id for corridor in corridors] == ["us-in"]


def test_amounts_and_percentages_are_exact(tmp_path: Path) -> None:
    corridor = load_corridors(write(tmp_path, INDIA)).get("us-in")

    assert corridor.limits.minimum == Money(100, "USD")
    assert corridor.limits.maximum == Money(1_000_000, "USD")
    assert corridor.fees[0].share == Decimal("0.015")
    assert corridor.fees[0].tiers[1].share == Decimal("0.012")


def test_unknown_corridor_is_unsupported(tmp_path: Path) -> None:
    corridors = load_corridors(write(tmp_path, INDIA))

    with pytest.raises(CorridorUnsupported):
        corridors.get("us-fr")
    with pytest.raises(CorridorUnsupported):
        corridors.to_currency("CHF")
    with pytest.raises(CurrencyUnknown):
        corridors.to_currency("ABC")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorridorsError, match="no corridor files"):
        load_corridors(tmp_path)


def test_second_corridor_to_a_currency_is_refused(tmp_path: Path) -> None:
    write(tmp_path, INDIA)
    write(tmp_path, INDIA.replace('"us-in"', '"us-in-fast"'), "us-in-fast.toml")

    with pytest.raises(CorridorsError, match="us-in-fast and us-in both pay out INR"):
        load_corridors(tmp_path)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('id = "us-in"', 'id = "us-fr"'),
        ('id = "us-in"', 'id = "India"'),
        ('id = "us-in"', 'id = "us-in"\ncolour = "blue"'),
        ('id = "us-in"', "id = us-in"),
        ('"US", currency = "USD"', '"DE", currency = "EUR"'),
        ('currency = "INR"', 'currency = "inr"'),
        ('currency = "INR"', 'currency = "XXX"'),
        ('country = "IN"', 'country = "India"'),
        ('minimum_usd = "1.00"', "minimum_usd = 1.00"),
        ('minimum_usd = "1.00"', 'minimum_usd = "1.005"'),
        ('minimum_usd = "1.00"', 'minimum_usd = "-1.00"'),
        ('onramps = ["stripe"]', "onramps = []"),
        ('sources = ["ecb"]', "sources = []"),
        ("markup_basis_points = 50", "markup_basis_points = -1"),
        ("markup_basis_points = 50", "markup_basis_points = 1001"),
        ("markup_basis_points = 50", "markup_basis_points = 50, maximum_age_hours = 0"),
        ("lifetime_seconds = 60", "lifetime_seconds = 0"),
        ('percent = "1.5"', "percent = 1.5"),
        ('percent = "1.5"', 'percent = "100"'),
        ('percent = "1.5"', 'percent = "-1.5"'),
        ('percent = "1.5"', 'discount = "1.5"'),
        ('from_usd = "100.00"', 'from_usd = "1000.00"'),
        ("effective_from = 2026-07-01", "effective_from = 2026-01-01"),
        ("effective_from = 2026-07-01", "effective_from = 2025-07-01"),
    ],
)
def test_wrong_file_is_refused_by_name(right: str, wrong: str, tmp_path: Path) -> None:
    assert right in INDIA
    write(tmp_path, INDIA.replace(right, wrong, 1))

    with pytest.raises(CorridorsError, match=r"us-in\.toml"):
        load_corridors(tmp_path)
