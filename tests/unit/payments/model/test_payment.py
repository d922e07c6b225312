"""The transition table is what moves a payment, and the status is what a merchant sees of it."""

import itertools

import pytest

from services.payments.model.holds import HoldReason
from services.payments.model.payment import (
    ALLOWED,
    SETTLED,
    STATUS_OF,
    IllegalMove,
    PaymentNotFound,
    State,
    Status,
    read_transaction_id,
)
from tests.makers import NOW, make_payment


def test_every_state_has_its_exits_and_its_status() -> None:
    assert set(ALLOWED) == set(STATUS_OF) == set(State)


@pytest.mark.parametrize(("start", "end"), list(itertools.product(State, State)))
def test_a_move_is_made_exactly_when_the_table_has_it(start: State, end: State) -> None:
    payment = make_payment(state=start, version=3)

    if end in ALLOWED[start]:
        moved, event = payment.moved(end, actor="worker", cause="test")
        assert (moved.state, moved.version) == (end, 4)
        assert (event.from_state, event.to_state, event.sequence) == (start, end, 4)
    else:
        with pytest.raises(IllegalMove) as refusal:
            payment.moved(end, actor="worker", cause="test")
        assert refusal.value.metadata == {"from_state": start, "to_state": end}


def test_only_a_return_and_money_that_was_taken_all_the_same_lead_out_of_a_settled_state() -> None:
    """The return is of a payout or of a refund."""
    exits = {(start, end) for start in SETTLED for end in ALLOWED[start]}

    assert exits == {
        (State.COMPLETED, State.RETURNED),
        (State.REFUNDED, State.PARTLY_REFUNDED),
        (State.FAILED, State.REFUNDING),
        (State.CANCELLED, State.REFUNDING),
        (State.EXPIRED, State.REFUNDING),
    }


def test_a_hold_keeps_the_state_and_shows_as_on_hold() -> None:
    held, event = make_payment(state=State.PAYING_OUT).held(
        HoldReason.OUTCOME_UNKNOWN, actor="worker"
    )

    assert held.status is Status.ON_HOLD
    assert held.state is State.PAYING_OUT
    assert event.cause == "held_outcome_unknown"


def test_a_payout_shows_as_sent_only_once_the_offramp_has_it() -> None:
    assert make_payment(state=State.PAYING_OUT).status is Status.PROCESSING
    assert make_payment(state=State.PAYING_OUT, sent_at=NOW).status is Status.SENT


def test_empty_evidence_is_left_out() -> None:
    _, event = make_payment().noted(actor="worker", cause="test", known="x", unknown="")

    assert event.evidence == {"known": "x"}


@pytest.mark.parametrize(
    "text",
    ["", "pay_", "quo_01m83kn3s0e24t886s6p8k72tv", "pay_01m83kn3s0e24t886s6p8k72t", "x" * 99],
)
def test_malformed_id_is_not_found_and_repeated_no_longer_than_an_id_may_be(text: str) -> None:
    with pytest.raises(PaymentNotFound) as refusal:
        read_transaction_id(text)

    assert refusal.value.metadata == {"transaction_id": text}


def test_the_history_begins_with_the_creation() -> None:
    event = make_payment().created_event()

    assert (event.sequence, event.from_state, event.to_state) == (1, None, State.CREATED)
    assert (event.actor, event.cause) == ("api", "payment_created")


def test_public_id_reads_back() -> None:
    payment = make_payment()

    assert read_transaction_id(payment.transaction_id) == payment.id
