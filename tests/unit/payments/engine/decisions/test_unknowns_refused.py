"""A refusal of one try ends the attempt at once where nothing had left before it; after an earlier
try it ends it once the provider provably has nothing, and until then nothing is sent again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, LookUp
from services.payments.model.payment import Failure, State
from tests.makers import NOW, make_capabilities, make_work

LAG = timedelta(seconds=60)
PROVIDERS = {
    "local_wallet": make_capabilities(
        "local_wallet", look_up=LookUp.EVENTUAL, look_up_lag=LAG, repeats_forgotten=False
    ),
    "stripe": make_capabilities("stripe"),
}
DECIDER = Decider(PROVIDERS, spread=lambda: 0.0)
WHY = Failure(code="payout_blocked", message="the payout is blocked")
REFUSED = Answer(outcome=Outcome.REFUSED, failure=WHY)
ABSENT = Answer(outcome=Outcome.ABSENT)


def _sent(*, first_send: bool, left: timedelta = timedelta(0)) -> Work:
    """A payout that was sent, so long ago."""
    work = make_work(State.PAYING_OUT, AttemptState.SENT)
    assert work.attempt is not None
    at = NOW - left
    attempt = replace(work.attempt, sent_at=at, last_sent_at=at, leaves_until=at, sends=2)
    return replace(work, attempt=attempt, first_send=first_send)


def _refused_again(left: timedelta) -> Work:
    """A payout whose second try was refused, so long ago."""
    change = DECIDER.settle(_sent(first_send=False, left=left), REFUSED, NOW)
    assert change.attempt is not None
    work = _sent(first_send=False, left=left)
    return replace(work, payment=change.payment, attempt=change.attempt)


def test_a_first_try_that_is_refused_has_failed() -> None:
    change = DECIDER.settle(_sent(first_send=True), REFUSED, NOW)

    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.failure) == (AttemptState.FAILED, WHY)
    assert change.payment.state is not State.PAYING_OUT


def test_a_refusal_after_an_earlier_try_leaves_the_outcome_unknown() -> None:
    change = DECIDER.settle(_sent(first_send=False), REFUSED, NOW)

    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.failure) == (AttemptState.UNKNOWN, WHY)
    assert change.payment.state is State.PAYING_OUT


@pytest.mark.parametrize("first_send", [True, False])
def test_a_refusal_that_is_not_declared_to_be_one_proves_nothing(first_send: bool) -> None:
    odd = replace(REFUSED, failure=Failure(code="solar_flare", message=""))

    change = DECIDER.settle(_sent(first_send=first_send), odd, NOW)

    assert change.attempt is not None
    assert change.attempt.state is AttemptState.UNKNOWN


def test_a_key_that_was_refused_is_asked_about_and_not_sent_again() -> None:
    work = _refused_again(timedelta(seconds=1))

    plan = DECIDER.plan(work)

    assert plan.call is Call.LOOK_UP
    assert DECIDER.after_look_up(plan.work, ABSENT) is None


@pytest.mark.parametrize(
    ("left", "state"),
    [
        (timedelta(seconds=30), AttemptState.UNKNOWN),
        (timedelta(seconds=64), AttemptState.UNKNOWN),
        (timedelta(minutes=2), AttemptState.FAILED),
    ],
)
def test_it_has_failed_as_refused_once_no_earlier_try_can_have_been_taken(
    left: timedelta, state: AttemptState
) -> None:
    change = DECIDER.settle(_refused_again(left), ABSENT, NOW)

    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.failure) == (state, WHY)


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.PENDING])
def test_an_earlier_try_that_was_taken_counts_whatever_the_last_was_answered(
    outcome: Outcome,
) -> None:
    change = DECIDER.settle(_refused_again(timedelta(seconds=1)), Answer(outcome=outcome), NOW)

    assert change.attempt is not None
    assert change.attempt.state in (AttemptState.SUCCEEDED, AttemptState.ACCEPTED)


def test_a_recipient_who_was_refused_waits_for_a_correction_once_nothing_can_have_been_paid() -> (
    None
):
    who = replace(REFUSED, failure=Failure(code="recipient_invalid", message="nobody"))
    work = _sent(first_send=False, left=timedelta(minutes=2))
    refused = DECIDER.settle(work, who, NOW)
    assert refused.attempt is not None

    asked = replace(work, payment=refused.payment, attempt=refused.attempt)
    change = DECIDER.settle(asked, ABSENT, NOW)

    assert refused.payment.state is State.PAYING_OUT
    assert change.payment.state is State.ACTION_REQUIRED
