"""The words of pages: lengths of time, states, and the payload of a proposal."""

from datetime import UTC, datetime, timedelta

import pytest
from caravel.payments.v1 import payments_pb2, proposals_pb2

from gateway.console import words
from services.payments.model.timing import End


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90_000, "1 d 1 h")],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: int, text: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == text


def test_states_that_need_a_person_have_their_colour() -> None:
    assert words.tone("ON_HOLD") == words.tone("PROPOSED") == "warn"
    assert words.tone("FAILED") == "bad"
    assert words.tone("COMPLETED") == "good"
    assert words.tone("CANCELLED") == words.tone("a new one") == "plain"


def test_a_colour_is_for_a_state_that_there_is() -> None:
    known = {
        *payments_pb2.Payment.Status.keys(),
        *proposals_pb2.Proposal.State.keys(),
    }

    assert {"ON_HOLD", "COMPLETED", "PROPOSED", "APPROVED"} <= known & set(words.TONES)


def test_a_payload_is_shown_field_by_field() -> None:
    lines = words.payload_lines('{"arguments":{"markup":5,"to":["a"]},"verb":"RATE_OVERRIDE"}')

    assert lines == [
        ("verb", "RATE_OVERRIDE"),
        ("arguments.markup", "5"),
        ("arguments.to", '["a"]'),
    ]
    assert words.payload_lines("no JSON") == [("payload", "no JSON")]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ('{"amount_minor":1050,"currency":"USD"}', "10.50 USD (1050 in minor units)"),
        ('{"amount_minor":1200,"currency":"JPY"}', "1200 JPY (1200 in minor units)"),
        ('{"amount_minor":1050,"currency":"dollars"}', "1050"),
        ('{"amount_minor":-5,"currency":"USD"}', "-5"),
        ('{"amount_minor":null,"currency":"USD"}', "null"),
        ('{"amount_minor":5}', "5"),
    ],
)
def test_an_amount_of_a_payload_is_a_decimal_too(arguments: str, line: str) -> None:
    lines = dict(words.payload_lines(f'{{"arguments":{arguments}}}'))

    assert lines["arguments.amount_minor"] == line


def test_a_recipient_is_shown_by_its_kind() -> None:
    account = {"holder_name": "A. O.", "bank_code": "058", "account_number": "", "iban": None}

    shown = words.recipient({"wallet": None, "bank_account": account})

    assert shown == "Bank account: A. O., 058"
    assert words.recipient({"wallet": None}).startswith("of a kind that")


def test_a_confirmation_shows_values_as_people_write_them() -> None:
    assert words.shown(True) == "yes"
    assert words.shown(["a", "b"]) == "a, b"
    assert words.shown(datetime(2026, 11, 29, tzinfo=UTC)) == "2026-11-29 00:00:00 UTC"
    assert words.shown(5) == "5"


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("step_failed", ["step_failed"]),
        ("provider_contradicts_itself", ["provider_", "contradicts_", "itself"]),
        ("https://a.example/hook", ["https://", "a.example/", "hook"]),
        ("offramp:wallet:INR", ["offramp:", "wallet:", "INR"]),
        ("pay_01m83mbj55ewdbrd2wha9z9e00", ["pay_01m83mbj55e", "wdbrd2wha9z9e00"]),
    ],
)
def test_a_line_ends_between_the_parts_of_a_long_word(word: str, parts: list[str]) -> None:
    assert words.parts(word) == parts


def test_a_deadline_says_what_happens_then() -> None:
    assert {words.end_of_wait(end) for end in End} == {
        "an alarm is raised",
        "the sender is refunded",
    }
    assert words.end_of_wait("LATER") == "LATER"
