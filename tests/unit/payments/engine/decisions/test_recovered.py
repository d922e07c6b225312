"""A payment that was made again after a restore pays nobody before its merchant names one."""

from dataclasses import replace

import pytest

from services.payments.engine.decisions.corrections import correct
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Work
from services.payments.engine.decisions.forced import (
    PayoutNotForceable,
    PayoutStillOpen,
    check_forceable,
)
from services.payments.model.answer import SUCCEEDED_LATE
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import Failure, PaymentBusy, State
from services.shared.recipients import NO_RECIPIENT
from tests.makers import ADA, CAPABILITIES, make_attempt, make_work

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


def _with_lost_refund(state: State) -> Work:
    work = make_work(state, AttemptState.FAILED)
    late = Failure(code=SUCCEEDED_LATE, message="made in a time that the database had lost")
    refund = make_attempt(work.payment, Step.REFUND, AttemptState.FAILED, failure=late)
    return replace(work, earlier=(refund,))


@pytest.mark.parametrize("state", [State.ACTION_REQUIRED, State.RETURNED])
def test_nothing_is_paid_out_while_a_lost_refund_may_have_moved(state: State) -> None:
    work = _with_lost_refund(state)

    with pytest.raises(PaymentBusy):
        correct(work, ADA)
    with pytest.raises(PayoutStillOpen):
        check_forceable(work, CAPABILITIES)
