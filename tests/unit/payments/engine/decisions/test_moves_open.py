"""An operation that its provider has accepted and does not decide: a person must see to it in time,
and the outcome counts whenever it comes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call
from services.payments.model.answer import Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import State
from services.payments.model.timing import HELD_POLL, LONGEST_POLL, OPEN_AT_MOST
from tests.history import said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
MOMENT = timedelta(microseconds=1)
SUCCEEDED = said(Outcome.SUCCEEDED)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (State.COLLECTING, Step.COLLECTION),
        (State.PAYING_OUT, Step.PAYOUT),
        (State.REFUNDING, Step.REFUND),
    ],
)
def test_an_operation_that_stays_open_for_days_is_given_to_a_person_and_asked_about_still(
    state: State, step: Step
) -> None:
    pending = said(Outcome.PENDING)
    work = with_attempt(
        make_work(state, AttemptState.ACCEPTED), sent_at=NOW - OPEN_AT_MOST[step] + MOMENT
    )

    asked = DECIDER.settle(work, pending, NOW)
    held = DECIDER.settle(work, pending, NOW + MOMENT)

    assert (asked.payment.hold_reason, asked.due_in) == (None, LONGEST_POLL)
    assert (held.payment.hold_reason, held.due_in) == ("outcome_unknown", HELD_POLL)
    assert held.attempt is not None
    assert held.attempt.state is AttemptState.ACCEPTED
    # The outcome ends the hold, whenever it comes.
    late = replace(work, payment=held.payment, attempt=held.attempt)
    assert DECIDER.plan(late).call is Call.LOOK_UP
    assert DECIDER.settle(late, SUCCEEDED, NOW).payment.hold_reason is None
