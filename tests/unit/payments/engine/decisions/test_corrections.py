"""A corrected recipient: from which states, with which changes, that each earlier payout is asked
about before money is sent again, and every way in which the refused payout may succeed late."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.corrections import correct
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Plan, Work
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.dispute import new_dispute, with_dispute
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import payout_postings
from services.payments.model.payment import (
    CORRECTABLE,
    Failure,
    PaymentNotCorrectable,
    PaymentNotRefundable,
    PaymentOnHold,
    State,
)
from services.payments.model.quote import Route
from services.payments.model.timing import FIRST_ROUND
from services.shared.recipients import AccountCheck, Wallet
from tests.history import attempt_of, check, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_attempt, make_event, make_work
from tests.unit.payments.model.test_dispute import WITHDRAWN

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
OLD = Wallet(holder_name="Asha Refused", wallet_id="wallet-7890")
NEW = Wallet(holder_name="Asha Example", wallet_id="wallet-3210")
BOTH = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
SUCCEEDED = said(Outcome.SUCCEEDED)
REFUSED = said(Outcome.FAILED, "recipient_invalid")
ENDS = {State.ACTION_REQUIRED: AttemptState.FAILED, State.RETURNED: AttemptState.REVERSED}


def _waiting(state: State, **changes: object) -> Work:
    known = {"recipient": OLD, "route": BOTH, "failure": Failure(code="x", message="x")}
    return make_work_of(state, ENDS[state], **{**known, **changes})


def _corrected(state: State = State.ACTION_REQUIRED) -> Work:
    """The work as it is claimed after the correction: the payout so far keeps its recipient."""
    work = _waiting(state)
    change = correct(work, NEW)
    kept = replace(attempt_of(work), recipient=OLD)
    return replace(work, payment=change.payment, attempt=kept)


def _second(work: Work, state: AttemptState, **changes: object) -> Work:
    """The work once the second payout has come so far."""
    second = make_attempt(work.payment, Step.PAYOUT, state, number=2, key="k-2", **changes)
    return replace(work, attempt=second, earlier=(attempt_of(work),))


@pytest.mark.parametrize("state", sorted(CORRECTABLE))
def test_a_correction_leads_back_to_the_payout_at_the_locked_rate(state: State) -> None:
    work = _waiting(state, offramp="bank", sent_at=NOW)

    change = correct(work, NEW)

    facts = {"recipient_before": "wallet ****7890", "recipient": "wallet ****3210"}
    check(change, ("recipient_corrected", "merchant", facts))
    payment = change.payment
    assert (payment.state, payment.recipient, payment.failure) == (State.PAYING_OUT, NEW, None)
    assert (payment.terms, payment.route) == (work.payment.terms, work.payment.route)
    # The route begins again, and nothing of the payout before is shown.
    assert (payment.offramp, payment.sent_at) == ("local_wallet", None)
    assert (change.attempt, change.postings, change.corrects) == (None, (), True)
    assert change.due_in == timedelta(0)


@pytest.mark.parametrize("state", sorted(set(State) - CORRECTABLE))
def test_a_payment_in_any_other_state_is_not_corrected(state: State) -> None:
    with pytest.raises(PaymentNotCorrectable) as refusal:
        correct(make_work(state), NEW)

    assert refusal.value.metadata == {"status": make_work(state).payment.status}


@pytest.mark.parametrize("state", sorted(CORRECTABLE))
@pytest.mark.parametrize("reason", list(HoldReason))
def test_a_payment_on_hold_is_not_corrected_now(state: State, reason: HoldReason) -> None:
    with pytest.raises(PaymentOnHold) as refusal:
        correct(_waiting(state, hold_reason=reason), NEW)

    assert refusal.value.metadata == {"hold_reason": reason}


@pytest.mark.parametrize("account_check", [None, AccountCheck.CLOSE_MATCH])
def test_the_marks_of_the_old_recipient_are_not_kept_for_the_new_one(
    account_check: AccountCheck | None,
) -> None:
    work = _waiting(State.RETURNED, recipient_is_example=True, account_check=AccountCheck.NO_MATCH)

    payment = correct(work, NEW, account_check).payment

    assert (payment.recipient_is_example, payment.account_check) == (False, account_check)


def test_a_payment_that_was_cancelled_is_not_corrected_any_more() -> None:
    with pytest.raises(PaymentNotCorrectable):
        correct(_waiting(State.ACTION_REQUIRED, cancel_requested_at=NOW), NEW)


@pytest.mark.parametrize("attempt", [None, AttemptState.INTENDED])
@pytest.mark.parametrize("state", sorted(CORRECTABLE))
def test_a_dispute_stops_the_next_payout_before_anybody_is_asked(
    state: State, attempt: AttemptState | None
) -> None:
    work = _corrected(state)
    work = _second(work, attempt) if attempt else work
    claim = new_dispute(work.payment, work.payment.onramp, WITHDRAWN, NOW)

    plan = DECIDER.plan(replace(work, payment=with_dispute(work.payment, claim)))

    assert plan.call is None
    assert plan.change.attempt is None
    assert plan.change.payment.hold_reason is HoldReason.DISPUTED


def test_a_dispute_stops_a_refund_before_its_payouts_are_asked_about() -> None:
    work = _waiting(State.ACTION_REQUIRED)
    change = refund_on_request(work, None)
    assert change.attempt is not None
    payment = change.payment
    claim = new_dispute(payment, payment.onramp, WITHDRAWN, NOW)
    begun = replace(
        work,
        payment=with_dispute(payment, claim),
        attempt=change.attempt,
        earlier=(attempt_of(work),),
    )

    plan = DECIDER.plan(begun)

    assert plan.call is None
    assert plan.change.payment.hold_reason is HoldReason.DISPUTED


@pytest.mark.parametrize("state", sorted(CORRECTABLE))
def test_the_next_payout_has_a_number_of_its_own_and_asks_about_the_one_before(
    state: State,
) -> None:
    work = _corrected(state)

    plan = DECIDER.plan(work)

    assert plan.change.attempt is not None
    assert (plan.change.attempt.step, plan.change.attempt.number) == (Step.PAYOUT, 2)
    assert plan.change.attempt.recipient is None
    assert [event.cause for event in plan.change.events] == ["payout_intended"]
    assert (plan.call, plan.work.attempt) == (Call.LOOK_UP, work.attempt)
    following = DECIDER.after_look_up(plan.work, REFUSED)
    assert following is not None
    assert (following.call, following.work.attempt) == (Call.SEND, plan.change.attempt)


def _states(work: Work) -> tuple[Call | None, Attempt | None]:
    plan = DECIDER.plan(work)
    return plan.call, plan.work.attempt


def test_a_crash_after_the_intent_asks_again_before_the_send() -> None:
    work = _second(_corrected(), AttemptState.INTENDED)

    assert _states(work) == (Call.LOOK_UP, work.earlier[0])


def test_a_crash_after_the_send_looks_the_second_payout_up_and_asks_before_it_is_sent_again() -> (
    None
):
    work = _second(_corrected(), AttemptState.SENT, sends=1)
    plan = DECIDER.plan(work)
    assert (plan.call, plan.work.attempt) == (Call.LOOK_UP, work.attempt)

    again = DECIDER.after_look_up(plan.work, Answer(outcome=Outcome.ABSENT))

    assert again is not None
    assert (again.call, again.work.attempt) == (Call.LOOK_UP, work.earlier[0])


def test_a_failover_without_a_correction_asks_nobody_as_before() -> None:
    work = make_work_of(State.PAYING_OUT, AttemptState.FAILED, route=BOTH, offramp="bank")

    assert DECIDER.plan(work).call is Call.SEND


@pytest.mark.parametrize("state", sorted(CORRECTABLE))
def test_a_payout_that_the_provider_says_is_paid_is_not_paid_again(state: State) -> None:
    plan = DECIDER.plan(_corrected(state))
    assert DECIDER.after_look_up(plan.work, SUCCEEDED) is None

    held = DECIDER.settle(plan.work, SUCCEEDED, NOW)

    assert held.payment.hold_reason == "late_success"
    assert held.attempt is not None
    assert held.attempt.succeeded_late
    assert held.attempt.moved == held.attempt.amount
    assert [posting.cause for posting in held.postings] == ["payout_to_suspense"]


@pytest.mark.parametrize("state", sorted(CORRECTABLE))
def test_released_it_counts_the_payout_that_was_paid_and_withdraws_the_second(
    state: State,
) -> None:
    work = _corrected(state)
    late = replace(
        attempt_of(work),
        failure=Failure(code=SUCCEEDED_LATE, message="late"),
        moved=attempt_of(work).amount,
    )
    unsent = {"sent_at": None, "last_sent_at": None, "leaves_until": None}
    work = _second(replace(work, attempt=late), AttemptState.INTENDED, **unsent)

    plan = DECIDER.plan(work)

    assert [event.cause for event in plan.change.events] == ["payout_withdrawn"]
    assert (plan.call, plan.work.attempt) == (Call.LOOK_UP, late)
    change = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert change.payment.state is State.COMPLETED
    assert payout_postings(change.payment)[0] in change.postings
    assert [p.cause for p in change.postings] == ["paid_out", "payout_from_suspense"]


def test_a_correction_of_a_payment_whose_payout_succeeded_late_pays_nothing_more() -> None:
    """The merchant corrects it after the hold was released, and before anybody asked."""
    work = _corrected(State.RETURNED)
    late = replace(attempt_of(work), failure=Failure(code=SUCCEEDED_LATE, message="late"))
    work = replace(work, attempt=late)

    plan = DECIDER.plan(work)

    assert (plan.call, plan.work.attempt) == (Call.LOOK_UP, late)
    assert DECIDER.after_look_up(plan.work, SUCCEEDED) is None
    assert DECIDER.settle(plan.work, SUCCEEDED, NOW).payment.state is State.COMPLETED


def test_a_late_success_counts_although_the_corrected_recipient_has_another_route() -> None:
    work = _corrected()
    other = Route(onramps=("stripe",), offramps=("bank",))
    work = replace(work, payment=replace(work.payment, route=other, offramp="bank"))
    work = with_attempt(work, failure=Failure(code=SUCCEEDED_LATE, message="late"))

    change = DECIDER.settle(DECIDER.plan(work).work, SUCCEEDED, NOW)

    assert (change.payment.state, change.payment.offramp) == (State.COMPLETED, "local_wallet")
    # One that we never sent is not the payment's own.
    foreign = with_attempt(work, sent_at=None, last_sent_at=None, leaves_until=None)
    held = DECIDER.settle(DECIDER.plan(foreign).work, SUCCEEDED, NOW)
    assert held.payment.hold_reason == HoldReason.LATE_SUCCESS


def _with_success_of(work: Work, attempt: Attempt) -> Plan:
    event = make_event(attempt, Outcome.SUCCEEDED, "evt_late", signed=True)
    return DECIDER.plan(replace(work, inbox=(event,)))


def test_a_late_success_while_the_merchant_is_waited_for_is_held_and_then_completes() -> None:
    work = _waiting(State.ACTION_REQUIRED)
    plan = _with_success_of(work, attempt_of(work))
    assert plan.call is Call.LOOK_UP
    held = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert (held.payment.state, held.payment.hold_reason) == (
        State.ACTION_REQUIRED,
        HoldReason.LATE_SUCCESS,
    )

    released = replace(work, attempt=held.attempt)
    asked = DECIDER.plan(released)

    assert asked.call is Call.LOOK_UP
    assert DECIDER.settle(asked.work, SUCCEEDED, NOW).payment.state is State.COMPLETED
    # It has failed after all: the merchant is waited for again, and it is asked about no more.
    change = DECIDER.settle(asked.work, REFUSED, NOW)
    assert change.payment.state is State.ACTION_REQUIRED
    assert change.attempt is not None
    assert not change.attempt.succeeded_late
    assert DECIDER.plan(replace(work, attempt=change.attempt)).call is None


@pytest.mark.parametrize(
    "second", [AttemptState.INTENDED, AttemptState.SENT, AttemptState.ACCEPTED]
)
def test_a_late_success_during_the_second_payout_is_held_before_anything_else(
    second: AttemptState,
) -> None:
    work = _second(_corrected(), second)

    plan = _with_success_of(work, work.earlier[0])

    assert (plan.call, attempt_of(plan.work).number) == (Call.LOOK_UP, 1)
    held = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert held.payment.hold_reason == HoldReason.LATE_SUCCESS


def test_a_late_success_beside_a_second_payout_that_succeeds_too_is_held_twice() -> None:
    work = _second(_corrected(), AttemptState.ACCEPTED)
    late = replace(
        work.earlier[0],
        failure=Failure(code=SUCCEEDED_LATE, message="late"),
        moved=work.earlier[0].amount,
    )
    work = replace(work, earlier=(late,))

    change = DECIDER.settle(work, SUCCEEDED, NOW)

    assert change.payment.state is State.COMPLETED
    assert change.payment.hold_reason == HoldReason.LATE_SUCCESS
    assert change.events[-1].evidence["also_succeeded"] == late.key


def test_a_second_refusal_waits_for_the_merchant_again() -> None:
    work = replace(_second(_corrected(), AttemptState.SENT), first_send=True)

    assert DECIDER.settle(work, REFUSED, NOW).payment.state is State.ACTION_REQUIRED


def test_the_patience_of_the_corridor_begins_again_with_the_correction() -> None:
    one = Route(onramps=("stripe",), offramps=("local_wallet",), patience=FIRST_ROUND)
    empty = said(Outcome.FAILED, "insufficient_balance")
    work = _second(_corrected(), AttemptState.SENT)
    work = replace(work, payment=replace(work.payment, route=one))

    change = DECIDER.settle(work, empty, NOW)

    assert [event.cause for event in change.events] == ["payout_waits"]
    # It would be over with the numbers of the payouts before the correction.
    plain = replace(work, earlier=(replace(work.earlier[0], recipient=None),))
    assert DECIDER.settle(plain, empty, NOW).payment.state is State.REFUNDING


def test_a_corrected_payment_can_be_refunded_until_its_payout_begins() -> None:
    refused, returned = _corrected(State.ACTION_REQUIRED), _corrected(State.RETURNED)

    assert refund_on_request(refused, None).payment.state is State.REFUNDING
    # The money that came back may be on its way again.
    with pytest.raises(PaymentNotRefundable):
        refund_on_request(returned, None)


@pytest.mark.parametrize("state", sorted(CORRECTABLE))
def test_a_merchant_may_refund_in_place_of_a_correction(state: State) -> None:
    change = refund_on_request(_waiting(state), None)

    assert change.payment.state is State.REFUNDING
    assert change.attempt is not None
    assert change.attempt.amount == change.payment.terms.amount


def test_a_cancelled_payment_that_waited_for_a_correction_is_refunded_by_the_worker() -> None:
    work = _waiting(State.ACTION_REQUIRED, cancel_requested_at=NOW)

    change = DECIDER.plan(work).change

    assert change.payment.state is State.REFUNDING
    assert [(event.actor, event.cause) for event in change.events] == [
        ("merchant", "refund_requested")
    ]


def test_a_payout_that_succeeded_late_is_asked_about_before_a_cancel_gives_anything_back() -> None:
    work = _waiting(State.ACTION_REQUIRED, cancel_requested_at=NOW)
    work = with_attempt(work, failure=Failure(code=SUCCEEDED_LATE, message="late"))

    plan = DECIDER.plan(work)

    assert (plan.call, plan.work.attempt) == (Call.LOOK_UP, work.attempt)
    assert DECIDER.settle(plan.work, SUCCEEDED, NOW).payment.state is State.COMPLETED


def test_an_event_about_the_refused_payout_changes_nothing_more() -> None:
    work = _waiting(State.ACTION_REQUIRED)
    event = make_event(attempt_of(work), Outcome.FAILED, "evt_old")

    change = DECIDER.plan(replace(work, inbox=(event,))).change

    assert [(item.event, item.result) for item in change.closed_events] == [(event, "IGNORED")]
    assert (change.events, change.attempt) == ((), None)


def test_a_payout_that_was_never_sent_needs_no_question() -> None:
    work = with_attempt(_corrected(), sent_at=None, last_sent_at=None, leaves_until=None)

    assert DECIDER.plan(work).call is Call.SEND
