"""Forms are read into the values of a request; a field that cannot be read has its sentence."""

from datetime import UTC, datetime

import pytest

from gateway.console.fields import REQUIRED, Field, nested, read, texts
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


def test_a_name_with_dots_leads_into_a_message() -> None:
    values = {"note": "a", "recipient.wallet.wallet_id": "w", "recipient.wallet.holder_name": "b"}

    assert nested(values) == {
        "note": "a",
        "recipient": {"wallet": {"wallet_id": "w", "holder_name": "b"}},
    }
