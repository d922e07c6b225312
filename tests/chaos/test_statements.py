"""An operator states what the providers' books prove, and nothing else."""

from typing import Any

import pytest

from tests.chaos.books import BookLine
from tests.chaos.statements import Statement

KEY, PAYMENT = "pay_1-payout-1", "pay_1"


def line(effect: str, key: str = KEY) -> BookLine:
    return BookLine(
        provider="local_wallet",
        effect=effect,
        key=key,
        id=key,
        transaction_id=PAYMENT,
        reference="",
        amount_minor=1,
        currency="INR",
        at="2026-05-04T12:00:00+00:00",
    )


def statement(*effects: str) -> Statement:
    return Statement([line("payout_completed", "another"), *map(line, effects)])


def inspected(*states: str) -> dict[str, Any]:
    return {"attempts": [{"key": KEY, "state": state} for state in states]}


@pytest.mark.parametrize(
    ("effects", "outcome"),
    [
        ((), "FAILED"),
        (("payout_accepted", "payout_completed"), "SUCCEEDED"),
        (("payout_accepted", "payout_failed"), "FAILED"),
        (("charge_succeeded",), "SUCCEEDED"),
        (("refund_succeeded", "refund_failed"), "FAILED"),
    ],
)
def test_the_last_line_of_an_open_attempt_says_how_it_ended(
    effects: tuple[str, ...], outcome: str
) -> None:
    resolution = statement(*effects).resolution(inspected("FAILED", "UNKNOWN"))

    assert resolution is not None
    assert resolution["outcome"] == outcome


@pytest.mark.parametrize(
    "effects",
    [
        ("payout_accepted",),
        ("payout_accepted", "payout_completed", "payout_returned"),
        ("payout_accepted", "payout_completed", "forgotten"),
    ],
)
def test_nothing_is_stated_that_the_book_does_not_prove(effects: tuple[str, ...]) -> None:
    assert statement(*effects).resolution(inspected("SENT")) is None


def test_nothing_is_stated_where_no_attempt_is_open() -> None:
    assert statement().resolution(inspected("FAILED", "SUCCEEDED")) is None


@pytest.mark.parametrize(
    ("effects", "is_paid"),
    [
        ((), False),
        (("payout_accepted",), True),
        (("payout_accepted", "payout_completed"), True),
        (("payout_accepted", "payout_failed"), False),
    ],
)
def test_a_payout_that_may_arrive_is_one(effects: tuple[str, ...], is_paid: bool) -> None:
    only = Statement([line(effect) for effect in effects])

    assert only.has_payout(PAYMENT) is is_paid
