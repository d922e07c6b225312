"""An operator decides by which offramp a payment is paid out, or that it is tried now. Nothing is
done while a request before it may still arrive; the next attempt is the engine's own, after its
questions before a send."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions.before_send import counts_moved
from services.payments.engine.decisions.disputes import disputed
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.recovered import has_recipient
from services.payments.engine.decisions.unknowns import ENDED_BY_OUTCOME
from services.payments.engine.decisions.waiting import release
from services.payments.model.answer import NEVER_LEFT, Answer, Outcome
from services.payments.model.attempt import (
    OVER,
    Attempt,
    AttemptState,
    Capabilities,
    Step,
    served_by,
)
from services.payments.model.causes import Cause
from services.payments.model.dispute import PaymentDisputed, stopping
from services.payments.model.holds import HOLDS, HoldReason, Verb
from services.payments.model.payment import (
    RESTING,
    Failure,
    PaymentBusy,
    PaymentOnHold,
    State,
)
from services.payments.model.quote import Route
from services.shared.errors import NotAllowedNow

# We hold the money, and it is exchanged. FUNDED is not among them: what is paid out is known only
# with the exchange.
FORCEABLE = frozenset({State.CONVERTED, State.PAYING_OUT, State.ACTION_REQUIRED, State.RETURNED})
_ENDED_BY_FORCE = frozenset(reason for reason, hold in HOLDS.items() if Verb.FORCE in hold.verbs)
# On hold for one of these, the provider is still asked now and then.
_ASKED_ON_HOLD = ENDED_BY_OUTCOME | {HoldReason.AMOUNT_MISMATCH}
_WITHDRAWN = Failure(
    code=NEVER_LEFT, message="an operator chose another offramp before it was sent"
)


class PayoutNotForceable(NotAllowedNow):
    """The payment is not in a state in which an operator can choose its offramp."""

    reason = "PAYOUT_NOT_FORCEABLE"


class PayoutStillOpen(NotAllowedNow):
    """A payout of the payment may still move money, or has moved it; no other one may begin."""

    reason = "PAYOUT_STILL_OPEN"


class NothingToTry(NotAllowedNow):
    """The payment waits for no try: it is over, or its merchant decides about it."""

    reason = "NOTHING_TO_TRY"


def payouts_of(work: Work) -> tuple[Attempt, ...]:
    """Every attempt of the payout, the present one too."""
    tried = (work.attempt, *work.earlier)
    return tuple(a for a in tried if a is not None and a.step is Step.PAYOUT)


def check_forceable(work: Work, capabilities: Mapping[str, Capabilities]) -> None:
    """Raises PayoutNotForceable for good, and PaymentOnHold, PaymentDisputed, PayoutStillOpen or
    PaymentBusy for now, where no offramp may be chosen for the payment."""
    payment, attempt = work.payment, work.attempt
    is_open = payment.state in FORCEABLE and payment.cancel_requested_at is None
    if not is_open or not has_recipient(payment):
        raise PayoutNotForceable(state=payment.state, status=payment.status)
    if payment.hold_reason is not None and payment.hold_reason not in _ENDED_BY_FORCE:
        raise PaymentOnHold(hold_reason=payment.hold_reason)
    claim = stopping(payment)
    if claim is not None:
        raise PaymentDisputed(dispute_id=claim.dispute_id)
    for payout in payouts_of(work):
        unsent = payout is attempt and payout.state is AttemptState.INTENDED
        if not unsent and (payout.state not in OVER or counts_moved(payout)):
            raise PayoutStillOpen(key=payout.key, attempt_state=payout.state)
    refund = work.succeeded_late(Step.REFUND)
    if refund is not None:
        # The money may have gone back by it.
        raise PayoutStillOpen(key=refund.key, attempt_state=refund.state)
    if disputed(work) is not None:
        # The engine asks about the event first.
        raise PaymentBusy(transaction_id=payment.transaction_id)
    until = may_arrive_until(work, capabilities)
    if until is not None and work.claimed_at <= until:
        raise PayoutStillOpen(until=until.isoformat())


def force_payout(
    work: Work, route: Route, capabilities: Mapping[str, Capabilities], *, actor: str, **facts: str
) -> Change:
    """The payment on its way to its recipient, by the first offramp of this route. One that was
    about to be sent by another is withdrawn. The corridor's patience begins again.

    Raises what check_forceable does.
    """
    check_forceable(work, capabilities)
    before, offramp = work.payment, route.offramps[0]
    facts = {"provider": offramp, "provider_before": before.offramp, **facts}
    facts |= {"hold_reason": before.hold_reason or ""}
    cause = Cause.PAYOUT_FORCED
    if before.state in (State.CONVERTED, State.PAYING_OUT):
        payment, event = before.noted(actor=actor, cause=cause, **facts)
    else:
        payment, event = before.moved(State.PAYING_OUT, actor=actor, cause=cause, **facts)
    payment = replace(payment, route=route, hold_reason=None, failure=None)
    attempt = work.attempt
    if attempt is not None and attempt.state is AttemptState.INTENDED:
        over = Answer(outcome=Outcome.FAILED, failure=_WITHDRAWN)
        attempt = attempt.answered(AttemptState.FAILED, over)
    else:
        attempt = None
    return replace(
        release(work, due_in=timedelta(0)),
        payment=served_by(payment, Step.PAYOUT, offramp),
        attempt=attempt,
        events=(event,),
        corrects=True,
        ends_rest=True,
    )


def try_now(work: Work, capabilities: Mapping[str, Capabilities]) -> Change:
    """The payment is due now, and its back-off is over. It waits on for a request that may still
    arrive. Raises PaymentOnHold or NothingToTry."""
    check_to_try(work)
    until = may_arrive_until(work, capabilities)
    left = until - work.claimed_at if until and until > work.claimed_at else None
    return replace(release(work, due_in=timedelta(0)), rest=left, ends_rest=True)


def check_to_try(work: Work) -> None:
    """Raises PaymentOnHold or NothingToTry where no try of the payment can come."""
    payment = work.payment
    if payment.hold_reason is not None and payment.hold_reason not in _ASKED_ON_HOLD:
        raise PaymentOnHold(hold_reason=payment.hold_reason)
    if payment.state in RESTING:
        raise NothingToTry(state=payment.state, status=payment.status)


def may_arrive_until(work: Work, capabilities: Mapping[str, Capabilities]) -> datetime | None:
    """Until when a request under an attempt that is over may still arrive, or not be shown by its
    provider yet; None where none can."""
    tried = (a for a in (work.attempt, *work.earlier) if a is not None and a.state in OVER)
    ends = (_may_arrive_until(attempt, capabilities.get(attempt.provider)) for attempt in tried)
    return max((end for end in ends if end is not None), default=None)


def _may_arrive_until(attempt: Attempt, known: Capabilities | None) -> datetime | None:
    if attempt.code == NEVER_LEFT or attempt.state is AttemptState.REVERSED:
        return None
    # Its only request was answered for good, so that none is under way.
    answered = known is not None and known.is_definitive(attempt.failure)
    if attempt.sends <= 1 and answered:
        return None
    return known.absence_counts_from(attempt) if known else attempt.landed_at
