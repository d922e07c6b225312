"""A payment that was made again after a restore pays nobody before its merchant names one."""

from dataclasses import replace

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.forced import PayoutNotForceable, check_forceable
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import State
from services.shared.recipients import NO_RECIPIENT
from tests.makers import CAPABILITIES, make_attempt, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)


@pytest.mark.parametrize("state", [State.CONVERTED, State.PAYING_OUT])
@pytest.mark.parametrize("tried", [None, AttemptState.INTENDED, AttemptState.FAILED])
def test_no_payout_begins_without_a_recipient(state: State, tried: AttemptState | None) -> None:
    work = make_work(state)
    work = replace(work, payment=replace(work.payment, recipient=NO_RECIPIENT))
    if tried is not None:
        work = replace(work, attempt=make_attempt(work.payment, Step.PAYOUT, tried))

    plan = DECIDER.plan(work)

    assert plan.call is None
    assert plan.change.payment.hold_reason == "recovered"
    assert plan.change.payment.state is state


def test_a_known_recipient_is_paid() -> None:
    plan = DECIDER.plan(make_work(State.CONVERTED))

    assert plan.call is not None
    assert plan.change.payment.hold_reason is None


def test_a_collection_needs_no_recipient() -> None:
    work = make_work(State.CREATED)
    work = replace(work, payment=replace(work.payment, recipient=NO_RECIPIENT))

    assert DECIDER.plan(work).change.payment.hold_reason is None


def test_no_offramp_is_chosen_for_nobody() -> None:
    work = make_work(State.ACTION_REQUIRED)
    work = replace(work, payment=replace(work.payment, recipient=NO_RECIPIENT))

    with pytest.raises(PayoutNotForceable):
        check_forceable(work, CAPABILITIES)
