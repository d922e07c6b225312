"""A collection that waits for its payer: one event says so, the payment stays as it is until the
terms end, and then it has expired or was cancelled, and has not failed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, LookUp
from services.payments.model.causes import Cause
from services.payments.model.payer import UNPAID, NextAction, PresentPayer
from services.payments.model.payment import Failure, State
from services.payments.model.timing import FIRST_POLL
from tests.makers import NOW, make_capabilities, make_event, make_work

STRIPE = make_capabilities(
    "stripe", look_up=LookUp.EVENTUAL, definitive_failures=frozenset({"card_declined", *UNPAID})
)
DECIDER = Decider({"stripe": STRIPE}, spread=lambda: 0.0)
ACTION = NextAction(kind="redirect", client_secret="pi_1_secret_2", url="https://bank.example/3ds")
ASKED = Answer(outcome=Outcome.PENDING, provider_reference="pi_1", next_action=ACTION)
PENDING = Answer(outcome=Outcome.PENDING, provider_reference="pi_1")


def _failed(code: str) -> Answer:
    return Answer(outcome=Outcome.FAILED, failure=Failure(code=code, message="No."))


def _work(state: AttemptState = AttemptState.SENT, **changes: Any) -> Work:
    """A collection of a payer who is present."""
    work = make_work(State.COLLECTING, state)
    payment = replace(work.payment, **{"payer": PresentPayer(), **changes})
    return replace(work, payment=payment)


def _waiting(**changes: object) -> Work:
    """The same, once the payer was asked."""
    return _work(AttemptState.ACCEPTED, next_action=ACTION, **changes)


def test_a_payer_is_asked_with_one_event_that_keeps_the_secret_to_itself() -> None:
    change = DECIDER.settle(_work(), ASKED, NOW)

    assert change.payment.state is State.COLLECTING
    assert change.payment.next_action == ACTION
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.ACCEPTED
    assert [event.cause for event in change.events] == [Cause.PAYER_ASKED]
    assert change.events[0].evidence["action"] == "redirect"
    assert ACTION.client_secret not in str(change.events)
    assert ACTION.url not in str(change.events)
    assert change.is_for_merchant


def test_a_payer_who_was_asked_is_not_asked_again() -> None:
    other = replace(ACTION, url="https://bank.example/another")

    change = DECIDER.settle(_waiting(), replace(ASKED, next_action=other), NOW)

    assert change.events == ()
    assert change.payment.next_action == other
    assert not change.is_for_merchant


def test_a_payer_is_asked_also_where_the_collection_was_accepted_before() -> None:
    change = DECIDER.settle(_work(AttemptState.ACCEPTED), ASKED, NOW)

    assert [event.cause for event in change.events] == [Cause.PAYER_ASKED]


def test_nothing_is_asked_any_more_once_the_payer_has_acted() -> None:
    change = DECIDER.settle(_waiting(), PENDING, NOW)

    assert change.payment.next_action is None
    assert change.payment.state is State.COLLECTING


def test_an_event_takes_no_action_away() -> None:
    work = _waiting()
    assert work.attempt is not None
    event = make_event(work.attempt)
    unknown = Answer(outcome=Outcome.UNKNOWN)

    change = DECIDER.settle(replace(work, inbox=(event,)), unknown, NOW)

    assert change.payment.next_action == ACTION


def test_off_session_no_payer_is_asked() -> None:
    change = DECIDER.settle(_work(payer=None), ASKED, NOW)

    assert change.payment.next_action is None
    assert [event.cause for event in change.events] == [Cause.COLLECTION_ACCEPTED]


@pytest.mark.parametrize(
    ("before_the_end", "due_in"),
    [
        (timedelta(hours=1), timedelta(minutes=1)),
        (timedelta(seconds=7), timedelta(seconds=7)),
        (timedelta(0), FIRST_POLL),
    ],
)
def test_a_payment_that_waits_for_its_payer_is_due_when_its_terms_end(
    before_the_end: timedelta, due_in: timedelta
) -> None:
    work = _waiting()
    assert work.attempt is not None
    now = work.payment.last_moment - before_the_end
    sent = replace(work.attempt, sent_at=now - timedelta(minutes=10))

    change = DECIDER.settle(replace(work, attempt=sent), ASKED, now)

    assert change.due_in is not None
    assert change.due_in == min(due_in, change.due_in)
    assert change.due_in <= max(before_the_end, FIRST_POLL)


@pytest.mark.parametrize("code", sorted(UNPAID))
def test_a_payer_who_has_not_acted_lets_the_payment_expire(code: str) -> None:
    work = _waiting()
    after = work.payment.last_moment + timedelta(seconds=1)

    change = DECIDER.settle(work, _failed(code), after)

    assert change.payment.state is State.EXPIRED
    assert change.payment.next_action is None
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.FAILED
    assert [event.cause for event in change.events] == [Cause.EXPIRED]


@pytest.mark.parametrize("code", sorted(UNPAID))
def test_a_payer_who_has_not_acted_lets_the_merchant_cancel(code: str) -> None:
    change = DECIDER.settle(_waiting(cancel_requested_at=NOW), _failed(code), NOW)

    assert change.payment.state is State.CANCELLED


def test_a_payer_who_was_refused_has_not_paid() -> None:
    change = DECIDER.settle(_waiting(), _failed("card_declined"), NOW)

    assert change.payment.state is State.FAILED
    assert change.payment.failure == Failure(code="card_declined", message="No.")


def test_a_collection_that_somebody_else_has_cancelled_has_failed() -> None:
    change = DECIDER.settle(_waiting(), _failed("canceled"), NOW)

    assert change.payment.state is State.FAILED


def test_off_session_the_same_code_is_a_failure() -> None:
    change = DECIDER.settle(_work(payer=None), _failed("requires_action"), NOW)

    assert change.payment.state is State.FAILED


def test_a_payer_who_acts_in_time_pays_also_where_the_answer_comes_late() -> None:
    work = _waiting()
    last = work.payment.last_moment
    paid = Answer(outcome=Outcome.SUCCEEDED, provider_reference="pi_1", occurred_at=last)

    change = DECIDER.settle(work, paid, last + timedelta(minutes=5))

    assert change.payment.state is State.CONVERTED
