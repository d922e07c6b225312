"""A receipt says where the payment stands, and promises nothing that will not come."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.disclosures.document import Document, Value
from services.payments.disclosures.facts import receipt_of
from services.payments.disclosures.state import PAYOUT_OF, Payout, ReceiptNotReady
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Payment, RecordedEvent, State
from services.payments.model.refund import RefundStatus
from services.shared.money import Money
from tests.golden import LARGE, PAID, REFUNDED, history_of, payment_of, refund_of
from tests.makers import NOW

DAY = timedelta(days=1)
REFUSED = {s for s, payout in PAYOUT_OF.items() if payout is None}
# For each state with a receipt: the sentence about it, and whether a payout is promised in figures.
SAID = {
    State.CONVERTED: ("under_way", True),
    State.PAYING_OUT: ("under_way", True),
    State.COMPLETED: ("paid_out", True),
    State.ACTION_REQUIRED: ("state_action_required", True),
    State.RETURNED: ("state_returned", True),
    State.REFUNDING: ("state_refunding", False),
    State.PARTLY_REFUNDED: ("state_partly_refunded", False),
    State.REFUNDED: ("state_refunded", False),
}
PROMISES = {
    "exchange_rate",
    "total_to_recipient",
    "amount_to_recipient",
    "conversion_charge",
    "margin_over_ecb",
}


def receipt(
    payment: Payment | None = None, history: tuple[RecordedEvent, ...] = PAID, **changes: object
) -> Document:
    return receipt_of(payment or payment_of(LARGE, **changes), LARGE, history)


def values(document: Document) -> dict[str, Value]:
    return {item.name: item.value for section in document.sections for item in section.items}


def said(document: Document) -> set[str]:
    return {one.name for section in document.sections for one in section.statements}


def test_every_state_is_decided() -> None:
    assert set(PAYOUT_OF) == set(State)
    assert REFUSED | set(SAID) == set(State)
    taken_or_back = {State.CREATED, State.COLLECTING, State.FAILED, State.CANCELLED, State.EXPIRED}
    assert taken_or_back | {State.FUNDED} == REFUSED


@pytest.mark.parametrize("state", State)
def test_a_receipt_says_the_state_or_is_refused(state: State) -> None:
    if state in REFUSED:
        with pytest.raises(ReceiptNotReady) as refusal:
            receipt(state=state)
        status = payment_of(LARGE, state=state).status
        assert refusal.value.metadata["status"] == status
        return
    sentence, promises = SAID[state]

    document = receipt(state=state)

    others = {one for one, _ in SAID.values()} - {sentence}
    assert sentence in said(document)
    assert said(document).isdisjoint(others)
    assert (set(values(document)) & PROMISES) == (PROMISES if promises else set())
    is_going_on = PAYOUT_OF[state] in (Payout.UNDER_WAY, Payout.MADE)
    assert ("date_available" in values(document)) is is_going_on
    assert ("may_receive_less" in said(document)) is promises
    assert ("cancellation" in said(document)) is (promises and state is not State.RETURNED)


@pytest.mark.parametrize("state", SAID)
def test_a_receipt_of_a_payment_on_hold_names_no_date(state: State) -> None:
    document = receipt(state=state, hold_reason=HoldReason.OUTCOME_UNKNOWN)

    assert "on_hold" in said(document)
    assert said(document).isdisjoint({"under_way", "paid_out"})
    assert "date_available" not in values(document)


@pytest.mark.parametrize("state", [State.CONVERTED, State.PAYING_OUT, State.ACTION_REQUIRED])
def test_a_payment_that_is_being_cancelled_is_not_on_its_way(state: State) -> None:
    document = receipt(state=state, cancel_requested_at=NOW)

    assert "cancellation_requested" in said(document)
    assert "under_way" not in said(document)
    assert "date_available" not in values(document)


def test_each_refund_that_has_succeeded_is_shown_with_its_date() -> None:
    shown = values(receipt(REFUNDED, ()))

    assert shown["refund"] == shown["refunded"] == LARGE.terms.amount
    assert shown["refund_date"] == (NOW + 3 * DAY).date()


def test_a_refund_that_is_under_way_is_no_refund_yet() -> None:
    payment = payment_of(LARGE, state=State.REFUNDING)
    under_way = refund_of(payment, 10_00, status=RefundStatus.PENDING)

    document = receipt(replace(payment, refunds=(under_way,)))

    sections = [one for section in document.sections for one in section.statements]
    [statement] = [one for one in sections if one.name == "refund_under_way"]
    assert statement.values == {"amount": Money(10_00, "USD")}
    assert set(values(document)).isdisjoint({"refund", "refunded"})


def test_the_money_waits_for_a_correction_until_the_deadline() -> None:
    document = receipt(state=State.RETURNED, deadline_at=NOW + 5 * DAY)

    [waits] = [one for one in document.sections[0].statements if one.name == "refunded_after"]
    assert waits.values == {"date": (NOW + 5 * DAY).date()}


def test_the_date_available_of_a_payment_that_was_paid_out_is_that_day() -> None:
    assert values(receipt())["date_available"] == (NOW + 2 * DAY).date()


@pytest.mark.parametrize(
    ("moves", "since"),
    [
        ((("FUNDED", 2 * DAY), ("CONVERTED", 2 * DAY)), 2 * DAY),
        ((("FUNDED", 2 * DAY), ("CONVERTED", 4 * DAY), ("PAYING_OUT", 5 * DAY)), 4 * DAY),
        ((("FUNDED", DAY), ("ACTION_REQUIRED", 2 * DAY), ("PAYING_OUT", 6 * DAY)), 6 * DAY),
        (
            (("FUNDED", DAY), ("COMPLETED", DAY), ("RETURNED", DAY), ("PAYING_OUT", 7 * DAY)),
            7 * DAY,
        ),
    ],
    ids=["late collection", "late exchange", "correction", "correction of a return"],
)
def test_the_date_available_counts_from_the_latest_moment_that_it_depends_on(
    moves: tuple[tuple[str, timedelta], ...], since: timedelta
) -> None:
    history = history_of(("CREATED", timedelta(0)), ("COLLECTING", timedelta(0)), *moves)

    shown = values(receipt(state=State(moves[-1][0]), history=history, version=len(history)))

    assert shown["date_available"] == (NOW + since + DAY).date()


def test_the_date_available_counts_from_the_end_of_a_hold() -> None:
    history = history_of(("FUNDED", DAY), ("CONVERTED", DAY), ("PAYING_OUT", DAY))
    released = replace(
        history[-1].event, sequence=4, from_state=State.PAYING_OUT, cause=Cause.HOLD_RELEASED
    )
    ended = replace(history[-1], event=released, occurred_at=NOW + 9 * DAY)

    shown = values(receipt(state=State.PAYING_OUT, history=(*history, ended)))

    assert shown["date_available"] == (NOW + 10 * DAY).date()


def test_events_after_the_version_that_was_read_count_for_nothing() -> None:
    document = receipt(state=State.PAYING_OUT, version=5)

    assert values(document)["date_available"] == (NOW + timedelta(hours=1) + DAY).date()


def test_late_money_that_was_exchanged_at_another_rate_is_said_to_be() -> None:
    repriced = replace(PAID[3].event, cause=Cause.EXCHANGED_AT_NEW_RATE)
    history = (*PAID[:3], replace(PAID[3], event=repriced), *PAID[4:])

    assert "repriced" in said(receipt(history=history))
    assert "repriced" not in said(receipt())
