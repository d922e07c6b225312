"""The attempts of one refund, refunds from before they had records, as many as there may be, and
what of the fees goes back."""

from dataclasses import replace
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.returns_and_refunds import (
    refund_on_request,
    retry_refund,
)
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import AttemptState, Step, intend
from services.payments.model.holds import HoldReason
from services.payments.model.operator import Operator
from services.payments.model.payment import (
    Failure,
    RefundTooLarge,
    State,
)
from services.payments.model.progress import waiting_as
from services.payments.model.quote import RefundFees
from services.payments.model.refund import (
    REFUNDS_MAX,
    RefundsExhausted,
    RefundStatus,
    new_refund,
    open_refund,
    with_refund,
)
from services.payments.model.timing import OPEN_AT_MOST, Waiting
from services.payments.operators.decisions import end_hold
from services.shared.money import Money
from tests.history import attempt_of, make_work_of
from tests.makers import CAPABILITIES, NOW, make_attempt, make_event, make_payment, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="re_1")
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="expired"))
TIMEOUT = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="timeout"))
PART = Money(4_000, "USD")


def _returned(**changes: Any) -> Work:
    return make_work_of(State.RETURNED, AttemptState.REVERSED, **changes)


def _begun(amount: Money | None = PART, **changes: Any) -> tuple[Work, Change]:
    work = _returned(**changes)
    return work, refund_on_request(work, amount, ends_payout=True, reason="half was enough")


def _after(work: Work, change: Change) -> Work:
    """The work as a worker claims it once the change is written."""
    tried = [a for a in (change.attempt, work.attempt, *work.earlier) if a is not None]
    latest = max(
        (a for a in tried if a.step is Step.REFUND), key=lambda a: a.number, default=work.attempt
    )
    others = {a.key: a for a in reversed(tried) if latest is None or a.key != latest.key}
    return replace(
        work, payment=change.payment, attempt=latest, earlier=tuple(others.values()), inbox=()
    )


def _sent(work: Work) -> Work:
    attempt = replace(
        attempt_of(work), state=AttemptState.SENT, sent_at=NOW, last_sent_at=NOW, sends=1
    )
    return replace(work, attempt=attempt, first_send=True)


def _answered(work: Work, change: Change, answer: Answer) -> tuple[Work, Change]:
    sent = _sent(_after(work, change))
    settled = DECIDER.settle(sent, answer, NOW)
    return _after(sent, settled), settled


def _statuses(change: Change) -> list[RefundStatus]:
    return [refund.status for refund in change.payment.refunds]


# Attempts of one refund


def test_a_retired_key_is_followed_by_another_of_the_same_refund() -> None:
    _, change = _begun()
    attempt = change.attempt
    assert attempt is not None
    retired = replace(attempt, state=AttemptState.FAILED)
    work = replace(make_work(State.REFUNDING), payment=change.payment, attempt=retired)

    plan = DECIDER.plan(work)

    following = plan.change.attempt
    assert following is not None
    assert (following.number, following.refund, following.amount) == (2, 1, PART)
    assert len(plan.change.payment.refunds) == 1


def test_a_late_success_of_the_same_refund_begins_no_second_one() -> None:
    """The key of the first attempt was retired, and under it the money has gone back after all."""
    _, change = _begun()
    first = replace(
        attempt_of(replace(make_work(State.REFUNDING), attempt=change.attempt)),
        state=AttemptState.FAILED,
        failure=Failure(code=SUCCEEDED_LATE, message="late"),
        sent_at=NOW,
    ).known_to_have_moved(PART)
    second = replace(
        intend(change.payment, Step.REFUND, 2, PART, 1),
        state=AttemptState.FAILED,
        failure=Failure(code="never_left", message="withdrawn"),
    )
    work = replace(
        make_work(State.REFUNDING),
        payment=change.payment,
        attempt=first,
        earlier=(second,),
    )

    done = DECIDER.settle(work, replace(SUCCEEDED, amount=PART), NOW)

    assert (done.payment.state, str(done.payment.refunded)) == (State.PARTLY_REFUNDED, "40.00")
    assert _statuses(done) == [RefundStatus.SUCCEEDED]
    assert done.attempt is not None
    waiting = replace(work, payment=done.payment, attempt=second, earlier=(done.attempt,))
    plan = DECIDER.plan(waiting)
    assert (plan.call, plan.change.attempt) == (None, None)


def test_a_second_success_of_a_refund_is_one_that_nobody_has_asked_for() -> None:
    work, change = _begun()
    parted, done = _answered(work, change, SUCCEEDED)
    twice = make_attempt(
        parted.payment,
        Step.REFUND,
        AttemptState.FAILED,
        number=2,
        key="k-2",
        refund=1,
        amount=PART,
        failure=Failure(code=SUCCEEDED_LATE, message="late"),
    ).known_to_have_moved(PART)
    asked = replace(parted, attempt=twice, earlier=(attempt_of(parted),))

    taken = DECIDER.settle(asked, replace(SUCCEEDED, amount=PART), NOW)

    assert str(taken.payment.refunded) == "80.00"
    assert [refund.amount for refund in taken.payment.refunds] == [PART, PART]
    assert taken.attempt is not None
    assert taken.attempt.refund == 2
    assert len(done.payment.refunds) == 1


def test_a_refund_that_comes_back_has_failed_and_one_that_is_there_again_has_not() -> None:
    work, change = _begun()
    parted, _ = _answered(work, change, SUCCEEDED)

    back = DECIDER.settle(parted, REFUSED, NOW)
    reported = replace(
        _after(parted, back), inbox=(make_event(attempt_of(parted), Outcome.SUCCEEDED),)
    )
    late = DECIDER.settle(DECIDER.plan(reported).work, SUCCEEDED, NOW)
    released = end_hold(_after(reported, late), Operator(name="ada"))
    again = DECIDER.settle(
        _after(reported, replace(released, attempt=late.attempt)), SUCCEEDED, NOW
    )

    assert late.payment.hold_reason is HoldReason.LATE_SUCCESS
    assert (again.payment.state, str(again.payment.refunded)) == (State.PARTLY_REFUNDED, "40.00")
    assert back.payment.hold_reason is HoldReason.REFUND_REVERSED
    assert back.payment.refunds[0].failure == Failure(
        code="refund_reversed", message="it did not reach the payer after all"
    )
    assert _statuses(back) == [RefundStatus.FAILED]
    assert _statuses(again) == [RefundStatus.SUCCEEDED]


def _given(change: Change) -> int:
    succeeded = [r for r in change.payment.refunds if r.status is RefundStatus.SUCCEEDED]
    return sum(refund.amount.amount_minor for refund in succeeded)


@pytest.mark.parametrize("amount", [PART, None])
def test_a_refund_that_came_back_is_tried_again_with_its_own_money(amount: Money | None) -> None:
    work, change = _begun(amount)
    parted, _ = _answered(work, change, SUCCEEDED)
    back = DECIDER.settle(parted, REFUSED, NOW)
    reversed_ = _after(parted, back)
    released = _after(reversed_, end_hold(reversed_, Operator(name="ada")))
    assert (released.payment.state, str(released.payment.refunded)) == (
        State.PARTLY_REFUNDED,
        "0.00",
    )
    assert waiting_as(released.payment) is Waiting.PARTLY_REFUNDED
    plan = DECIDER.plan(released)
    assert (plan.call, plan.change.events) == (None, ())

    again, done = _answered(released, retry_refund(released, 1, actor="merchant"), SUCCEEDED)

    assert _statuses(done) == [RefundStatus.SUCCEEDED]
    if amount is not None:
        _, done = _answered(again, refund_on_request(again, None), SUCCEEDED)
    assert (done.payment.state, str(done.payment.refunded)) == (State.REFUNDED, "100.00")
    assert _given(done) == 10_000


def test_after_a_full_refund_that_came_back_its_deadline_refunds_all_of_it() -> None:
    parted, _ = _answered(*_begun(None), SUCCEEDED)
    reversed_ = _after(parted, DECIDER.settle(parted, REFUSED, NOW))
    released = _after(reversed_, end_hold(reversed_, Operator(name="ada")))
    due = replace(released, payment=replace(released.payment, deadline_at=NOW))

    change = DECIDER.plan(due).change

    assert change.attempt is not None
    assert (change.payment.state, str(change.attempt.amount)) == (State.REFUNDING, "100.00")


@pytest.mark.parametrize("second", [REFUSED, TIMEOUT])
def test_a_part_that_came_back_during_another_hold_is_not_counted_when_that_ends(
    second: Answer,
) -> None:
    parted, _ = _answered(*_begun(), SUCCEEDED)
    first = attempt_of(parted)
    small = Money(2_000, "USD")
    sent = _sent(_after(parted, refund_on_request(parted, small)))
    later = NOW if second is REFUSED else NOW + OPEN_AT_MOST[Step.REFUND]
    held = DECIDER.settle(sent, second, later)
    event = make_event(first, Outcome.FAILED, signed=True)
    reported = replace(_after(sent, held), inbox=(event,))

    plan = DECIDER.plan(reported)
    back = DECIDER.settle(plan.work, REFUSED, NOW)

    assert plan.work.attempt == first
    assert held.payment.hold_reason == back.payment.hold_reason
    assert held.payment.hold_reason in ("refund_failed", "outcome_unknown")
    assert str(back.payment.refunded) == "0.00"
    waiting = _after(reported, back)
    if second is REFUSED:
        over, done = _answered(waiting, retry_refund(waiting, 2, actor="merchant"), SUCCEEDED)
    else:
        done = DECIDER.settle(waiting, SUCCEEDED, NOW)
        over = _after(waiting, done)
    assert (done.payment.state, str(done.payment.refunded)) == (State.PARTLY_REFUNDED, "20.00")
    assert _statuses(done) == [RefundStatus.FAILED, RefundStatus.SUCCEEDED]
    _, rest = _answered(over, refund_on_request(over, None), SUCCEEDED)
    assert (rest.payment.state, str(rest.payment.refunded)) == (State.REFUNDED, "100.00")
    assert _given(rest) == 10_000


# From before


@pytest.mark.parametrize("state", [State.REFUNDED, State.PARTLY_REFUNDED])
def test_a_refund_that_came_back_and_was_still_counted_is_not_counted_any_more(
    state: State,
) -> None:
    parted, _ = _answered(*_begun(None), SUCCEEDED)
    counted = replace(attempt_of(parted).back())
    old = replace(parted, payment=replace(parted.payment, state=state), attempt=counted)

    change = DECIDER.plan(old).change

    assert (change.payment.state, str(change.payment.refunded)) == (State.PARTLY_REFUNDED, "0.00")
    assert _statuses(change) == [RefundStatus.FAILED]
    assert change.payment.hold_reason is HoldReason.REFUND_REVERSED
    assert [posting.cause for posting in change.postings] == [
        "refund_returned",
        "refund_to_suspense",
    ]


def test_a_part_from_before_there_was_a_state_for_it_gets_the_state() -> None:
    work = make_work_of(State.REFUNDING, AttemptState.SUCCEEDED, refunded=PART)

    plan = DECIDER.plan(work)

    assert (plan.call, plan.change.payment.state) == (None, State.PARTLY_REFUNDED)
    assert [event.cause for event in plan.change.events] == ["refunded_in_part"]


def test_a_refund_from_before_there_were_records_gets_one_with_its_next_attempt() -> None:
    plan = DECIDER.plan(make_work(State.REFUNDING))

    refund = open_refund(plan.change.payment)
    assert refund is not None
    assert refund.amount == make_payment().terms.amount
    assert plan.change.attempt is not None
    assert plan.change.attempt.refund == refund.number


# As many as there may be


def _full(count: int) -> Work:
    payment = replace(make_payment(), state=State.PARTLY_REFUNDED, version=5)
    for _ in range(count):
        refund = new_refund(payment, Money(1, "USD"), reason="", requested_by="merchant")
        payment = with_refund(payment, replace(refund, status=RefundStatus.SUCCEEDED))
    work = make_work(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED)
    return replace(work, payment=replace(payment, refunded=Money(count, "USD")))


def test_after_so_many_parts_only_all_that_is_left_can_be_refunded() -> None:
    assert refund_on_request(_full(REFUNDS_MAX - 1), Money(1, "USD")).attempt is not None
    with pytest.raises(RefundsExhausted) as refused:
        refund_on_request(_full(REFUNDS_MAX), Money(1, "USD"))
    assert refused.value.metadata == {"maximum": str(REFUNDS_MAX)}
    assert refund_on_request(_full(REFUNDS_MAX), None).attempt is not None


# Fees


def test_where_fees_are_kept_the_payer_gets_back_the_net_amount_and_no_more() -> None:
    work = _returned(refund_fees=RefundFees.KEPT)

    with pytest.raises(RefundTooLarge) as refused:
        refund_on_request(work, Money(9_751, "USD"))
    assert refused.value.metadata == {"refundable_usd": "97.50"}
    change = refund_on_request(work, None)
    _, done = _answered(work, change, SUCCEEDED)

    assert str(change.payment.refunds[0].amount) == "97.50"
    assert {posting.cause for posting in change.postings} == {
        "refund_exchange_bought",
        "refund_exchange_sold",
        "refund_fx_markup",
    }
    assert (done.payment.state, str(done.payment.refunded)) == (State.REFUNDED, "97.50")
