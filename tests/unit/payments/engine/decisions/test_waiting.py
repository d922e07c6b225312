"""Waiting changes nothing but who has the payment and when it is due; a hold says what it rests
on."""

from datetime import timedelta

import pytest

from services.payments.engine.decisions.waiting import amounts_of, evidence_of, hold, live, release
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Failure, State
from services.shared.money import Money
from tests.makers import make_work

WORK = make_work(State.PAYING_OUT, AttemptState.SENT)


def test_a_released_payment_is_as_it_was_and_its_lease_ends() -> None:
    change = release(WORK, due_in=timedelta(seconds=3))

    assert (change.payment, change.before.version) == (WORK.payment, WORK.payment.version)
    assert (change.before.status, change.lease_token) == (WORK.payment.status, WORK.lease_token)
    assert (change.due_in, change.keeps_lease) == (timedelta(seconds=3), False)
    assert (change.events, change.postings, change.closed_events) == ((), (), ())


def test_a_hold_is_the_workers_and_never_due() -> None:
    change = hold(WORK, HoldReason.OUTCOME_UNKNOWN, key="k")

    (event,) = change.events
    assert (event.actor, event.evidence) == ("worker", {"key": "k"})
    assert (change.payment.hold_reason, change.due_in) == ("outcome_unknown", None)


def test_evidence_names_the_operation_the_event_and_the_failure() -> None:
    attempt = live(WORK)
    answer = Answer(
        outcome=Outcome.FAILED,
        provider_reference="po_1",
        event_id="evt_1",
        failure=Failure(code="blocked", message="no"),
    )

    assert evidence_of(attempt, answer) == {
        "provider": "local_wallet",
        "key": attempt.key,
        "provider_reference": "po_1",
        "event_id": "evt_1",
        "failure_code": "blocked",
        "failure_message": "no",
    }


@pytest.mark.parametrize(
    ("stated", "text"), [(Money(99, "USD"), "0.99 USD"), (None, "")], ids=["stated", "not stated"]
)
def test_amounts_are_stated_with_their_currency(stated: Money | None, text: str) -> None:
    answer = Answer(outcome=Outcome.UNKNOWN, amount=stated)

    assert amounts_of(live(WORK), answer) == {"expected": "148453.38 NGN", "stated": text}
