"""The effect of an operator's verb on a hold: it begins, it ends, or the verb states an outcome.
The engine goes on from there as from any other evidence."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.chargebacks import overrule
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.moves import exchange
from services.payments.engine.decisions.returns_and_refunds import (
    count_elsewhere,
    refund_made_elsewhere,
)
from services.payments.engine.decisions.waiting import release, since_claim, without_hold
from services.payments.model.answer import STATED, Answer
from services.payments.model.attempt import Attempt, AttemptState, Capabilities
from services.payments.model.causes import Cause
from services.payments.model.holds import HOLDS, HoldReason, Verb
from services.payments.model.operator import Operator
from services.payments.model.payment import SETTLED, Failure, PaymentOnHold, State
from services.payments.operators.domain import (
    AttemptNotOpen,
    NoLockedRate,
    PaymentNotHoldable,
    PaymentNotOnHold,
)
from services.shared.ids import Prefix, encode_id

# The release of one of these counts a refund that the onramp has, and we did not make.
_COUNTS_REFUND = frozenset({HoldReason.LATE_SUCCESS, HoldReason.RECOVERED})
OPEN = frozenset({AttemptState.SENT, AttemptState.ACCEPTED, AttemptState.UNKNOWN})


def end_hold(work: Work, operator: Operator, cause: Cause = Cause.HOLD_RELEASED) -> Change:
    """The payment is due at once, without its hold. Raises PaymentNotOnHold."""
    reason = held_for(work)
    ended, event = without_hold(work, actor=operator.actor, cause=cause)
    change = replace(release(work, due_in=timedelta(0)), payment=ended.payment, events=(event,))
    late = refund_made_elsewhere(work) if reason in _COUNTS_REFUND else None
    if late is not None:
        return count_elsewhere(change, late, actor=operator.actor)
    if reason is HoldReason.DISPUTED:
        return replace(change, payment=overrule(ended.payment))
    if reason == HoldReason.PAYOUT_UNCONFIRMED and work.attempt is not None:
        stated = Failure(code=STATED, message="the payout before it was not paid")
        change = replace(change, attempt=replace(work.attempt, failure=stated))
    return change


def honour_locked_rate(work: Work, operator: Operator) -> Change:
    """Money that came late is exchanged as if it had come in time, and its hold ends with that.

    Raises PaymentNotOnHold or NoLockedRate.
    """
    if held_for(work) != HoldReason.LATE_FUNDS or work.payment.state is not State.FUNDED:
        raise NoLockedRate(transaction_id=work.payment.transaction_id)
    change = end_hold(work, operator)
    return exchange(change, cause=Cause.EXCHANGED_AT_LOCKED_RATE, actor=operator.actor)


def take_over(work: Work, operator: Operator) -> Change:
    """A person sees to the payment: the hold stays, under another reason."""
    payment, event = work.payment.held(HoldReason.DISCARDED, actor=operator.actor)
    return replace(release(work), payment=payment, events=(event,))


def place_hold(work: Work, operator: Operator) -> Change:
    """A person stops the payment; what was sent before is not called back. Raises PaymentOnHold or
    PaymentNotHoldable."""
    check_holdable(work)
    held, event = work.payment.held(HoldReason.OPERATOR, actor=operator.actor)
    return replace(release(work), payment=held, events=(event,))


def check_holdable(work: Work) -> None:
    """Raises PaymentOnHold or PaymentNotHoldable."""
    payment = work.payment
    if payment.hold_reason is not None:
        raise PaymentOnHold(hold_reason=payment.hold_reason)
    if payment.state in SETTLED:
        raise PaymentNotHoldable(state=payment.state, status=payment.status)


def open_attempt(work: Work) -> Attempt:
    """The attempt that waits for its outcome. Raises PaymentNotOnHold, or AttemptNotOpen, also
    where the hold is about something that no outcome of the attempt settles."""
    reason = held_for(work)
    if Verb.RESOLVE not in HOLDS[reason].verbs:
        raise AttemptNotOpen(
            "The hold is about something else than the outcome of an attempt.",
            transaction_id=work.payment.transaction_id,
            hold_reason=reason,
        )
    if work.attempt is None or work.attempt.state not in OPEN:
        raise AttemptNotOpen(transaction_id=work.payment.transaction_id)
    return work.attempt


def check_deployed(attempt: Attempt, capabilities: Mapping[str, Capabilities]) -> None:
    """Raises AttemptNotOpen where nothing that its outcome leads to can be decided."""
    if attempt.provider not in capabilities:
        raise AttemptNotOpen(
            "The attempt's provider is not in this deployment, so what follows from its "
            "outcome cannot be decided.",
            transaction_id=encode_id(Prefix.PAYMENT, attempt.payment_id),
        )


def resolve(
    work: Work,
    decider: Decider,
    operator: Operator,
    answer: Answer,
    *,
    evidence: str,
    provider_answer: str,
) -> Change:
    """The hold gives way to an answer that a person stands for; beside it the provider's own."""
    moved = f"{answer.amount} {answer.amount.currency}" if answer.amount else ""
    held_for(work)
    ended, event = without_hold(
        work,
        actor=operator.actor,
        cause=Cause.ATTEMPT_RESOLVED,
        outcome=answer.outcome,
        evidence=evidence,
        moved=moved,
        provider_answer=provider_answer,
    )
    return since_claim(work, decider.settle(ended, answer, work.claimed_at), event)


def held_for(work: Work) -> HoldReason:
    """The reason of the hold. Raises PaymentNotOnHold."""
    if work.payment.hold_reason is None:
        raise PaymentNotOnHold(transaction_id=work.payment.transaction_id)
    return work.payment.hold_reason
