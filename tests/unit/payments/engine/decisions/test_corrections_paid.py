"""A recipient before the correction was paid after all: the completed payment shows that one again,
and its merchant is sent it."""

from dataclasses import replace

import pytest

from services.payments.engine.decisions.corrections import correct
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Work
from services.payments.engine.store.writing import notifications
from services.payments.model.answer import SUCCEEDED_LATE, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import CORRECTABLE, Failure, State
from services.shared.recipients import Wallet
from tests.history import attempt_of, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_attempt

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
OLD = Wallet(holder_name="Asha Refused", wallet_id="wallet-7890")
NEW = Wallet(holder_name="Asha Example", wallet_id="wallet-3210")
SUCCEEDED = said(Outcome.SUCCEEDED)
ENDS = {State.ACTION_REQUIRED: AttemptState.FAILED, State.RETURNED: AttemptState.REVERSED}


class _Written:
    """The columns that the database adds."""

    updated_at, cancel_requested_at, deadline_at = NOW, None, None


def _corrected(state: State = State.ACTION_REQUIRED) -> Work:
    """The work as it is claimed after the correction: the payout so far keeps its recipient."""
    work = make_work_of(state, ENDS[state], recipient=OLD)
    route = replace(work.payment.route, offramps=("paystack",))
    return replace(
        work,
        payment=correct(work, NEW, route=route).payment,
        attempt=replace(attempt_of(work), recipient=OLD, route=work.payment.route),
    )


def _second(work: Work, state: AttemptState, **changes: object) -> Work:
    """The work once the second payout has come so far."""
    second = make_attempt(work.payment, Step.PAYOUT, state, number=2, key="k-2", **changes)
    return replace(work, attempt=second, earlier=(attempt_of(work),))


def _late(work: Work) -> Work:
    failure = Failure(code=SUCCEEDED_LATE, message="late")
    return with_attempt(work, failure=failure, moved=attempt_of(work).amount)


@pytest.mark.parametrize("state", sorted(CORRECTABLE))
def test_a_payment_whose_first_recipient_was_paid_shows_that_one_again(state: State) -> None:
    """Alone, and after the second payout was withdrawn, given up or refused in turn."""
    alone = _late(_corrected(state))
    second = _second(alone, AttemptState.FAILED, failure=Failure(code="x", message="x"))
    waits = replace(second, payment=replace(second.payment, state=State.ACTION_REQUIRED))

    for work in (alone, second, waits):
        plan = DECIDER.plan(work)
        change = DECIDER.settle(plan.work, SUCCEEDED, NOW)

        assert (change.payment.state, change.payment.recipient) == (State.COMPLETED, OLD)
        assert change.payment.account_check is None
        assert change.payment.route == attempt_of(alone).route
        assert change.payment.offramp == attempt_of(alone).provider
        # The recipient is written with the change; the other payouts keep theirs.
        assert change.corrects
        assert [event.cause for event in change.events] == [
            "earlier_recipient_paid",
            "payout_succeeded",
        ]
        assert change.events[0].evidence == {
            "key": attempt_of(alone).key,
            "recipient_before": "wallet ****3210",
            "recipient": "wallet ****7890",
        }
        assert change.payment.version == change.events[-1].sequence
        (sent,) = notifications([change], {change.payment.id: _Written()})  # type: ignore[dict-item]
        assert (sent.event_type, sent.payment.recipient) == ("payment.completed", OLD)


def test_a_payment_that_shows_whom_it_has_paid_changes_no_recipient() -> None:
    second = _second(_corrected(), AttemptState.ACCEPTED)
    back = _late(_corrected())
    back = replace(back, payment=replace(back.payment, recipient=OLD))

    for work in (second, DECIDER.plan(back).work):
        change = DECIDER.settle(work, SUCCEEDED, NOW)
        assert [event.cause for event in change.events] == ["payout_succeeded"]
        assert not change.corrects
