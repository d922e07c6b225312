"""The refunds of a payment: begun with it, changed with their attempts, tried again, and in no more
parts than there may be."""

from dataclasses import replace
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, Work
from services.payments.engine.decisions.returns_and_refunds import (
    refund_on_request,
    refund_the_rest,
    retry_refund,
)
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.holds import HoldReason
from services.payments.model.payment import (
    Failure,
    PaymentBusy,
    PaymentNotRefundable,
    PaymentOnHold,
    RefundTooLarge,
    State,
)
from services.payments.model.refund import (
    RefundEndsPayout,
    RefundNotFailed,
    RefundStatus,
    with_refund,
)
from services.shared.money import Money
from tests.history import attempt_of, make_work_of
from tests.makers import CAPABILITIES, NOW, make_payment, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="re_1")
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="expired"))
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


# Begun


def test_a_refund_that_is_asked_for_is_on_record_with_its_reason_and_its_attempt() -> None:
    _, change = _begun()

    (refund,) = change.payment.refunds
    assert (refund.number, refund.amount, refund.status) == (1, PART, RefundStatus.PENDING)
    assert (refund.reason, refund.requested_by) == ("half was enough", "merchant")
    assert change.attempt is not None
    assert (change.attempt.refund, change.attempt.amount) == (1, PART)
    assert change.before.refunds == ()


def test_a_refund_without_words_has_the_cause_as_its_reason() -> None:
    change = refund_on_request(_returned(), None)

    assert change.payment.refunds[0].reason == "refund_requested"


def test_a_refund_that_we_begin_is_on_record_too_and_its_attempt_follows() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.SENT)
    change = DECIDER.settle(
        replace(work, first_send=True),
        replace(REFUSED, failure=Failure(code="payout_blocked", message="blocked")),
        NOW,
    )

    (refund,) = change.payment.refunds
    assert (refund.reason, refund.requested_by) == ("payout_failed", "worker")
    assert refund.amount == change.payment.terms.amount
    plan = DECIDER.plan(replace(work, payment=change.payment, attempt=None))
    attempt = plan.work.to_send or plan.work.attempt
    assert attempt is not None
    assert (attempt.refund, attempt.number, attempt.amount) == (1, 1, refund.amount)
    assert plan.change.before == change.payment


def test_the_refund_of_what_the_merchant_did_not_decide_about_is_our_own() -> None:
    refund = refund_the_rest(_returned()).payment.refunds[0]

    assert (refund.reason, refund.requested_by) == ("deadline_passed", "worker")


# The rest of a part


@pytest.mark.parametrize(
    ("state", "attempt"),
    [
        (State.FUNDED, None),
        (State.CONVERTED, None),
        (State.PAYING_OUT, AttemptState.FAILED),
        (State.RETURNED, AttemptState.REVERSED),
    ],
)
def test_a_part_of_what_could_still_be_paid_out_must_say_that_the_rest_is_not(
    state: State, attempt: AttemptState | None
) -> None:
    work = make_work(state, attempt)

    with pytest.raises(RefundEndsPayout) as refused:
        refund_on_request(work, PART)

    assert refused.value.metadata == {"field": "ends_payout"}
    assert refund_on_request(work, PART, ends_payout=True).payment.state is State.REFUNDING


def test_all_of_it_and_a_further_part_need_not_say_so() -> None:
    work, change = _begun()
    parted, _ = _answered(work, change, SUCCEEDED)

    assert refund_on_request(_returned(), None).payment.state is State.REFUNDING
    whole = make_payment().terms.amount
    assert refund_on_request(_returned(), whole).payment.state is State.REFUNDING
    assert refund_on_request(parted, PART).payment.state is State.REFUNDING


# Done


def test_a_part_that_is_done_leaves_the_payment_to_its_merchant() -> None:
    work, change = _begun()

    parted, done = _answered(work, change, SUCCEEDED)

    assert (done.payment.state, str(done.payment.refunded)) == (State.PARTLY_REFUNDED, "40.00")
    (refund,) = done.payment.refunds
    assert (refund.status, refund.provider_reference) == (RefundStatus.SUCCEEDED, "re_1")
    assert done.due_in is None
    assert DECIDER.plan(parted).call is None


def test_the_last_part_ends_the_payment_and_unwinds_nothing_again() -> None:
    work, change = _begun()
    parted, _ = _answered(work, change, SUCCEEDED)

    rest = refund_on_request(parted, None)
    _, done = _answered(parted, rest, SUCCEEDED)

    assert rest.postings == ()
    assert [event.to_state for event in rest.events] == [State.REFUNDING]
    assert rest.attempt is not None
    assert (rest.attempt.number, rest.attempt.refund) == (2, 2)
    assert (done.payment.state, done.payment.refundable.amount_minor) == (State.REFUNDED, 0)
    assert _statuses(done) == [RefundStatus.SUCCEEDED, RefundStatus.SUCCEEDED]


def test_a_payment_holds_its_refund_back_while_it_is_on_hold() -> None:
    _, change = _begun()
    held = replace(change.payment, hold_reason=HoldReason.OUTCOME_UNKNOWN)

    assert held.refunds[0].shown_status(held) is RefundStatus.HELD
    assert held.refunds[0].shown_status(change.payment) is RefundStatus.PENDING


# Failed, and tried again


def test_a_refused_refund_has_failed_with_the_reason() -> None:
    work, change = _begun()

    failed, settled = _answered(work, change, REFUSED)

    (refund,) = settled.payment.refunds
    assert (refund.status, refund.failure) == (RefundStatus.FAILED, REFUSED.failure)
    assert refund.shown_status(failed.payment) is RefundStatus.FAILED
    assert settled.payment.hold_reason is HoldReason.REFUND_FAILED


def test_a_failed_refund_is_tried_again_under_the_next_key() -> None:
    work, change = _begun()
    failed, _ = _answered(work, change, REFUSED)

    again = retry_refund(failed, 1, actor="merchant")
    _, done = _answered(failed, again, SUCCEEDED)

    assert again.payment.hold_reason is None
    assert [event.cause for event in again.events] == ["refund_retried"]
    assert again.attempt is not None
    assert (again.attempt.number, again.attempt.refund, again.attempt.amount) == (2, 1, PART)
    assert _statuses(again) == [RefundStatus.PENDING]
    assert _statuses(done) == [RefundStatus.SUCCEEDED]


def test_a_release_tries_the_same_refund_again() -> None:
    work, change = _begun()
    failed, _ = _answered(work, change, REFUSED)
    released = replace(failed, payment=replace(failed.payment, hold_reason=None))

    plan = DECIDER.plan(replace(released, earlier=()))

    assert plan.call is Call.SEND
    attempt = attempt_of(plan.work)
    assert (attempt.number, attempt.refund, attempt.amount) == (2, 1, PART)
    assert _statuses(plan.change) == [RefundStatus.PENDING]


def test_another_refund_may_follow_a_failed_one_which_then_is_tried_only_if_it_fits() -> None:
    work, change = _begun(Money(7_000, "USD"))
    failed, _ = _answered(work, change, REFUSED)

    other = refund_on_request(failed, PART)
    parted, done = _answered(failed, other, SUCCEEDED)

    assert _statuses(done) == [RefundStatus.FAILED, RefundStatus.SUCCEEDED]
    assert done.payment.state is State.PARTLY_REFUNDED
    with pytest.raises(RefundTooLarge):
        retry_refund(parted, 1, actor="merchant")


def test_only_a_failed_refund_is_tried_again() -> None:
    work, change = _begun()
    parted, _ = _answered(work, change, SUCCEEDED)

    for number, status in ((1, "SUCCEEDED"), (2, "")):
        with pytest.raises(RefundNotFailed) as refused:
            retry_refund(parted, number, actor="merchant")
        assert refused.value.metadata == {"status": status}


def test_no_refund_is_tried_again_beside_another_or_against_a_hold() -> None:
    work, change = _begun()
    failed, _ = _answered(work, change, REFUSED)
    other = _after(failed, refund_on_request(failed, PART))
    held = replace(failed, payment=replace(failed.payment, hold_reason=HoldReason.LATE_SUCCESS))

    with pytest.raises(PaymentBusy):
        retry_refund(other, 1, actor="merchant")
    with pytest.raises(PaymentOnHold):
        retry_refund(held, 1, actor="merchant")


def test_nothing_is_tried_again_of_a_payment_that_is_over() -> None:
    work, change = _begun(None)
    done, _ = _answered(work, change, SUCCEEDED)
    refund = replace(done.payment.refunds[0], status=RefundStatus.FAILED)
    over = replace(done, payment=with_refund(done.payment, refund))

    with pytest.raises(PaymentNotRefundable):
        retry_refund(over, 1, actor="merchant")
