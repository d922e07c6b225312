"""Cancel, return, refund: what is possible when, in which parts, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, EventResult, InboxEvent, Work
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.payment import (
    Failure,
    PaymentBusy,
    PaymentNotRefundable,
    PaymentOnHold,
    RefundTooLarge,
    State,
)
from services.shared.money import Money
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED)
ABSENT = Answer(outcome=Outcome.ABSENT)
UNKNOWN = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="no answer"))
OTHER_AMOUNT = Answer(
    outcome=Outcome.UNKNOWN, failure=Failure(code="amount_mismatch", message="see pi_1")
)
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))


def _event(outcome: Outcome, attempt: Attempt) -> InboxEvent:
    failure = REFUSED.failure if outcome is Outcome.FAILED else None
    answer = Answer(outcome=outcome, event_id="evt_1", key=attempt.key, failure=failure)
    return InboxEvent(provider=attempt.provider, event_id="evt_1", step=attempt.step, answer=answer)


def _attempt(work: Work) -> Attempt:
    assert work.attempt is not None
    return work.attempt


def _with_cancel_request(work: Work) -> Work:
    return replace(work, payment=replace(work.payment, cancel_requested_at=NOW))


# Cancel


def test_a_cancelled_collection_that_was_sent_is_asked_about_first() -> None:
    plan = DECIDER.plan(_with_cancel_request(make_work(State.COLLECTING, AttemptState.SENT)))

    assert plan.call is Call.LOOK_UP


def test_a_cancelled_collection_that_is_absent_is_never_sent_again() -> None:
    work = _with_cancel_request(make_work(State.COLLECTING, AttemptState.UNKNOWN))
    old = NOW - timedelta(minutes=5)
    work = replace(
        work, attempt=replace(_attempt(work), sent_at=old, last_sent_at=old, leaves_until=old)
    )

    assert not DECIDER.after_look_up(work, ABSENT)
    assert DECIDER.settle(work, ABSENT, NOW).payment.state is State.CANCELLED


def test_a_cancelled_collection_waits_until_no_request_can_still_arrive() -> None:
    strong = {"stripe": make_capabilities("stripe", look_up=LookUp.STRONG)}
    work = _with_cancel_request(make_work(State.COLLECTING, AttemptState.UNKNOWN))

    change = Decider(strong, lambda: 0.0).settle(work, ABSENT, NOW)

    assert change.payment.state is State.COLLECTING
    assert change.due_in is not None


def test_a_payout_that_has_begun_goes_on_after_a_cancel_request() -> None:
    plan = DECIDER.plan(_with_cancel_request(make_work(State.PAYING_OUT, AttemptState.SENT)))

    assert plan.call is Call.LOOK_UP


# Return


def test_an_event_of_a_failure_before_the_success_returns_nothing() -> None:
    """The payout failed and then succeeded after all, and the first event came last."""
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    event = _event(Outcome.FAILED, _attempt(work))

    plan = DECIDER.plan(replace(work, inbox=(event,)))
    change = DECIDER.settle(plan.work, SUCCEEDED, NOW)

    assert CAPABILITIES["local_wallet"].event_is_evidence
    assert plan.call is Call.LOOK_UP
    assert change.payment.state is State.COMPLETED
    assert [item.result for item in change.closed_events] == [EventResult.APPLIED]


def test_a_hint_of_a_return_is_looked_up_and_the_truth_decides() -> None:
    payment = replace(make_work(State.COMPLETED).payment, offramp="bank")
    work = replace(make_work(State.COMPLETED), payment=payment)
    paid = make_attempt(payment, Step.PAYOUT, AttemptState.SUCCEEDED)
    work = replace(work, attempt=paid, inbox=(_event(Outcome.FAILED, paid),))

    plan = DECIDER.plan(work)
    assert plan.call is Call.LOOK_UP
    assert not DECIDER.after_look_up(plan.work, ABSENT)
    still_paid = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    returned = DECIDER.settle(plan.work, REFUSED, NOW)
    nobody_knows = DECIDER.settle(plan.work, UNKNOWN, NOW)

    assert still_paid.payment.state is State.COMPLETED
    assert returned.payment.state is State.RETURNED
    assert nobody_knows.payment.state is State.COMPLETED
    assert nobody_knows.closed_events == ()
    assert nobody_knows.due_in is not None


def test_a_completed_payout_is_asked_about_once_when_it_becomes_final() -> None:
    final_after = timedelta(days=7)
    capabilities = {
        **CAPABILITIES,
        "local_wallet": make_capabilities("local_wallet", success_final_after=final_after),
    }
    decider = Decider(capabilities, lambda: 0.0)
    done = decider.settle(make_work(State.PAYING_OUT, AttemptState.SENT), SUCCEEDED, NOW)
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)

    assert done.due_in == final_after
    early = decider.plan(replace(work, claimed_at=NOW + timedelta(days=3)))
    assert (early.call, early.change.due_in) == (None, timedelta(days=4))
    at_last = decider.plan(replace(work, claimed_at=NOW + final_after))
    assert at_last.call is Call.LOOK_UP
    assert decider.settle(at_last.work, SUCCEEDED, NOW).due_in is None


def test_a_provider_that_denies_a_completed_payout_is_a_hold() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)

    change = DECIDER.settle(work, ABSENT, NOW)

    assert change.payment.hold_reason == "provider_contradicts_itself"


def test_a_returned_payment_waits_for_its_merchant() -> None:
    plan = DECIDER.plan(make_work(State.RETURNED, AttemptState.REVERSED))

    assert (plan.call, plan.change.due_in, plan.change.events) == (None, None, ())


# Refund


def test_a_refund_in_parts_ends_the_payment_with_its_last() -> None:
    work = make_work(State.RETURNED, AttemptState.REVERSED)
    first = refund_on_request(work, Money(4_000, "USD"), ends_payout=True)
    assert first.attempt is not None
    sent = replace(work, payment=first.payment, attempt=first.attempt)
    paid = DECIDER.settle(sent, SUCCEEDED, NOW)
    assert (paid.payment.state, str(paid.payment.refunded)) == (
        State.PARTLY_REFUNDED,
        "40.00",
    )
    assert paid.due_in is None
    waiting = replace(work, payment=paid.payment, attempt=paid.attempt)
    assert DECIDER.plan(waiting).call is None

    last = refund_on_request(waiting, None)
    assert last.attempt is not None
    assert (last.attempt.number, str(last.attempt.amount)) == (2, "60.00")
    assert last.postings == ()
    sent = replace(work, payment=last.payment, attempt=last.attempt)
    assert DECIDER.settle(sent, SUCCEEDED, NOW).payment.state is State.REFUNDED


def test_more_than_is_left_is_refused() -> None:
    work = make_work(State.RETURNED, AttemptState.REVERSED)

    with pytest.raises(RefundTooLarge):
        refund_on_request(work, Money(10_001, "USD"))


@pytest.mark.parametrize(
    ("state", "attempt"),
    [
        (State.CREATED, None),
        (State.COLLECTING, AttemptState.SENT),
        (State.PAYING_OUT, AttemptState.INTENDED),
        (State.PAYING_OUT, AttemptState.SENT),
        (State.PAYING_OUT, AttemptState.ACCEPTED),
        (State.PAYING_OUT, AttemptState.UNKNOWN),
        (State.COMPLETED, AttemptState.SUCCEEDED),
        (State.REFUNDED, AttemptState.SUCCEEDED),
        (State.FAILED, None),
        (State.CANCELLED, None),
        (State.EXPIRED, None),
    ],
)
def test_nothing_is_given_back_while_or_after_money_may_move(
    state: State, attempt: AttemptState | None
) -> None:
    with pytest.raises(PaymentNotRefundable):
        refund_on_request(make_work(state, attempt), None)


@pytest.mark.parametrize(
    "attempt",
    [
        None,
        AttemptState.INTENDED,
        AttemptState.SENT,
        AttemptState.ACCEPTED,
        AttemptState.UNKNOWN,
        # It is tried again under another key.
        AttemptState.FAILED,
    ],
)
def test_while_a_refund_is_under_way_another_is_asked_to_come_again(
    attempt: AttemptState | None,
) -> None:
    with pytest.raises(PaymentBusy) as refused:
        refund_on_request(make_work(State.REFUNDING, attempt), Money(1, "USD"))

    assert refused.value.retry_after_seconds == 1


def test_the_longer_a_refund_is_under_way_the_later_another_comes_again() -> None:
    work = make_work(State.REFUNDING, AttemptState.ACCEPTED)
    sent_at = NOW - timedelta(seconds=100)
    work = replace(work, attempt=replace(_attempt(work), sent_at=sent_at))

    with pytest.raises(PaymentBusy) as refused:
        refund_on_request(work, Money(1, "USD"))

    assert refused.value.retry_after_seconds == 25


def test_when_the_money_is_used_up_a_part_is_too_large_and_all_is_nothing() -> None:
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    work = replace(work, payment=replace(work.payment, refunded=work.payment.terms.amount))

    with pytest.raises(RefundTooLarge) as refused:
        refund_on_request(work, Money(1, "USD"))
    with pytest.raises(PaymentNotRefundable):
        refund_on_request(work, None)

    assert refused.value.metadata["refundable_usd"] == "0.00"


@pytest.mark.parametrize(
    "reason", ["late_success", "outcome_unknown", "amount_mismatch", "step_failed"]
)
@pytest.mark.parametrize(
    ("state", "attempt"),
    [(State.PAYING_OUT, AttemptState.FAILED), (State.FUNDED, None), (State.REFUNDING, None)],
)
def test_a_hold_that_a_refund_does_not_answer_is_in_its_way_for_now(
    state: State, attempt: AttemptState | None, reason: str
) -> None:
    work = make_work(state, attempt)
    held = replace(work, payment=replace(work.payment, hold_reason=reason))

    with pytest.raises(PaymentOnHold):
        refund_on_request(held, None)


def test_a_late_success_after_the_refund_is_a_hold_and_no_second_refund() -> None:
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    failed = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED)
    event = _event(Outcome.SUCCEEDED, failed)

    plan = DECIDER.plan(replace(work, earlier=(failed,), inbox=(event,)))

    assert plan.call is Call.LOOK_UP
    change = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert change.payment.hold_reason == "late_success"
    assert change.payment.state is State.REFUNDED


def test_an_old_event_of_a_returned_payout_is_no_late_success() -> None:
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    returned = make_attempt(work.payment, Step.PAYOUT, AttemptState.REVERSED)
    event = _event(Outcome.SUCCEEDED, returned)

    plan = DECIDER.plan(replace(work, earlier=(returned,), inbox=(event,)))
    change = DECIDER.settle(plan.work, REFUSED, NOW)

    assert plan.call is Call.LOOK_UP
    assert change.payment.hold_reason is None
    assert [item.result for item in change.closed_events] == [EventResult.IGNORED]


def test_a_refund_that_did_not_reach_the_payer_after_all_is_a_hold() -> None:
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    payment = replace(work.payment, refunded=work.payment.terms.amount)
    work = replace(work, payment=payment)
    event = _event(Outcome.FAILED, _attempt(work))

    plan = DECIDER.plan(replace(work, inbox=(event,)))
    assert plan.call is Call.LOOK_UP
    change = DECIDER.settle(plan.work, REFUSED, NOW)

    assert change.payment.hold_reason == "refund_reversed"


# Events alone


def test_where_asking_fails_a_signed_event_finishes_the_step() -> None:
    work = make_work(State.COLLECTING, AttemptState.UNKNOWN)
    event = _event(Outcome.SUCCEEDED, _attempt(work))

    change = DECIDER.settle(replace(work, inbox=(event,)), UNKNOWN, NOW)

    assert change.payment.state is State.CONVERTED
    assert [item.result for item in change.closed_events] == [EventResult.APPLIED]


@pytest.mark.parametrize("state", [AttemptState.SENT, AttemptState.UNKNOWN])
def test_an_answer_with_another_amount_is_a_hold_whatever_a_signed_event_says(
    state: AttemptState,
) -> None:
    work = make_work(State.COLLECTING, state)
    event = _event(Outcome.SUCCEEDED, _attempt(work))

    change = DECIDER.settle(replace(work, inbox=(event,)), OTHER_AMOUNT, NOW)

    assert change.payment.hold_reason == "amount_mismatch"
    assert change.postings == ()


def test_another_amount_than_ours_at_the_last_look_up_is_a_hold() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)

    change = DECIDER.settle(work, OTHER_AMOUNT, NOW)

    assert change.payment.hold_reason == "amount_mismatch"
    assert change.payment.state is State.COMPLETED


def test_where_asking_fails_an_unsigned_event_proves_nothing_and_is_kept() -> None:
    capabilities = {"stripe": make_capabilities("stripe", signs_events=False)}
    work = make_work(State.COLLECTING, AttemptState.UNKNOWN)
    event = _event(Outcome.SUCCEEDED, _attempt(work))

    change = Decider(capabilities, lambda: 0.0).settle(replace(work, inbox=(event,)), UNKNOWN, NOW)

    assert change.payment.state is State.COLLECTING
    assert change.closed_events == ()
    assert change.due_in is not None


def test_a_failure_in_an_event_is_asked_about_before_money_moves_again() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    work = replace(work, inbox=(_event(Outcome.FAILED, _attempt(work)),))

    plan = DECIDER.plan(work)

    assert CAPABILITIES["local_wallet"].event_is_evidence
    assert plan.call is Call.LOOK_UP
    assert DECIDER.settle(plan.work, SUCCEEDED, NOW).payment.state is State.COMPLETED
    assert DECIDER.settle(plan.work, REFUSED, NOW).payment.state is State.REFUNDING
    # A wallet without a better source of its own calls it open: then its event is what counts.
    still_open = Answer(outcome=Outcome.PENDING)
    assert DECIDER.settle(plan.work, still_open, NOW).payment.state is State.REFUNDING


def test_events_that_contradict_each_other_are_no_evidence() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    both = tuple(_event(outcome, _attempt(work)) for outcome in (Outcome.FAILED, Outcome.SUCCEEDED))

    assert DECIDER.plan(replace(work, inbox=both)).call is Call.LOOK_UP
