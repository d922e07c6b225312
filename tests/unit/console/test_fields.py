"""Forms are read into the values of a request; a field that cannot be read has its sentence."""

from datetime import UTC, datetime

import pytest

from gateway.console.fields import ALONE, REQUIRED, Field, nested, read, texts
from gateway.console.verbs import VERBS

OVERRIDE = VERBS["override-rate"].all_fields
KEY = VERBS["create-operator-key"].all_fields


def test_each_kind_of_field_is_read() -> None:
    form = read(
        KEY,
        {
            "operator": " ada ",
            "name": "laptop",
            "roles.viewer": "yes",
            "roles.admin": "yes",
            "roles.king": "yes",
            "allowed_addresses": "203.0.113.0/24\r\n\r\n 198.51.100.7 ",
            "expires_at": "2027-01-01T00:00",
        },
    )

    assert form.wrong == {}
    assert form.values == {
        "operator": "ada",
        "name": "laptop",
        "roles": ["viewer", "admin"],
        "allowed_addresses": ["203.0.113.0/24", "198.51.100.7"],
        "expires_at": datetime(2027, 1, 1, tzinfo=UTC),
    }


def test_an_empty_field_is_left_out_or_missed() -> None:
    form = read(OVERRIDE, {"corridor_id": "us-ng", "rate": "", "ends_at": " "})

    assert form.values == {"corridor_id": "us-ng"}
    assert form.wrong == {"ends_at": REQUIRED}


@pytest.mark.parametrize("text", ["1.5", "-1", "1e3", "\u0661", "99999999999", "one"])
def test_a_number_is_digits(text: str) -> None:
    form = read(OVERRIDE, {"markup_basis_points": text})

    assert "markup_basis_points" in form.wrong


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01T00:00", "0", "2026-11-29T99:00"])
def test_a_time_is_one(text: str) -> None:
    assert "ends_at" in read(OVERRIDE, {"ends_at": text}).wrong


def test_a_choice_is_one_of_its_options() -> None:
    resolve = VERBS["resolve"].all_fields

    assert read(resolve, {"outcome": "FAILED"}).values == {"outcome": "FAILED"}
    assert "outcome" in read(resolve, {"outcome": "OUTCOME_UNSPECIFIED"}).wrong


def test_a_form_is_shown_again_with_its_own_fields_alone() -> None:
    sent = {"roles.viewer": "yes", "name": "laptop", "form_token": "secret", "as": "do"}

    assert texts(KEY, sent) == {"roles.viewer": "yes", "name": "laptop"}


def test_one_of_a_list_of_options_is_a_list() -> None:
    states = [Field("states", "State", "among", options=("FAILED", "COMPLETED"))]

    assert read(states, {"states": "FAILED"}).values == {"states": ["FAILED"]}
    assert read(states, {"states": ""}).values == {}
    assert "states" in read(states, {"states": "NONSENSE"}).wrong


ADJUSTED = VERBS["adjust"].fields


@pytest.mark.parametrize(
    ("amount", "currency", "minor", "said"),
    [
        ("12.34", "USD", 1234, "12.34 USD (1234 in minor units)"),
        ("12.3", "USD", 1230, "12.30 USD (1230 in minor units)"),
        ("1200", "JPY", 1200, "1200 JPY (1200 in minor units)"),
        ("0.001", "KWD", 1, "0.001 KWD (1 in minor units)"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(
    amount: str, currency: str, minor: int, said: str
) -> None:
    form = read(ADJUSTED, {"amount_minor": f" {amount} ", "currency": currency})

    assert form.values["amount_minor"] == minor
    assert form.said == {"amount_minor": said}


@pytest.mark.parametrize(
    ("amount", "currency", "sentence"),
    [
        ("12.345", "USD", "Amount may have at most 2 decimals."),
        ("1200.50", "JPY", "Amount may have at most 0 decimals."),
        ("1,200", "USD", "Amount must be a plain decimal such as 100.00."),
        ("-1", "USD", "Amount must be positive."),
        ("0", "USD", "Amount must be positive."),
        ("9" * 15, "USD", "Amount is too large."),
        ("\u0661", "USD", "Amount must be a plain decimal such as 100.00."),
        ("12.34", "", "Name its currency too, for example USD."),
        ("12.34", "usd", "Name its currency too, for example USD."),
        ("", "USD", REQUIRED),
    ],
)
def test_an_amount_that_its_currency_cannot_have_is_not_read(
    amount: str, currency: str, sentence: str
) -> None:
    form = read(ADJUSTED, {"amount_minor": amount, "currency": currency})

    assert form.wrong["amount_minor"] == sentence
    assert "amount_minor" not in form.values


@pytest.mark.parametrize("text", ["usd", "XAU", "US", "dollars"])
def test_a_currency_is_one(text: str) -> None:
    assert "currency" in read(ADJUSTED, {"currency": text}).wrong


GROUPED = [
    Field("a", "A", is_required=True, group="First"),
    Field("b", "B", group="First"),
    Field("c", "C", is_required=True, group="Second"),
]


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ({"a": "1"}, {}),
        ({"c": "1"}, {}),
        ({"b": "1"}, {"a": REQUIRED}),
        ({"a": "1", "b": "1", "c": "1"}, {"c": ALONE}),
        ({}, {"a": "Fill in one of these: First, Second."}),
        ({"a": " "}, {"a": "Fill in one of these: First, Second."}),
    ],
)
def test_one_of_several_groups_is_filled_in(sent: dict[str, str], wrong: dict[str, str]) -> None:
    assert read(GROUPED, sent).wrong == wrong


def test_the_only_group_is_filled_in() -> None:
    assert read(GROUPED[:2], {}).wrong == {"a": REQUIRED}
    assert GROUPED[0].full_label == "First: A"


def test_a_name_with_dots_leads_into_a_message() -> None:
    values = {"note": "a", "recipient.wallet.wallet_id": "w", "recipient.wallet.holder_name": "b"}

    assert nested(values) == {
        "note": "a",
        "recipient": {"wallet": {"wallet_id": "w", "holder_name": "b"}},
    }
