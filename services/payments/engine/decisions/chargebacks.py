"""Claims against a payment's collection: each event changes the payment's record of its claim, with
the money that the onramp has taken for it, and an open one stops what has not been sent."""

from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.facts import Change, ClaimEvent, Plan, Work
from services.payments.engine.decisions.waiting import hold, release, rest, without_hold
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.causes import Cause
from services.payments.model.dispute import (
    Dispute,
    DisputeKind,
    dispute_of,
    money_claimed,
    new_dispute,
    stopping,
    with_dispute,
)
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import Posting, dispute_postings
from services.payments.model.payment import Event, Payment, State

# The merchant decides, until a deadline at which the money goes back.
_WAITING = frozenset({State.RETURNED, State.ACTION_REQUIRED, State.PARTLY_REFUNDED})
# So many are kept of one payment; of more, the events only end.
DISPUTES_MAX = 50


def record(work: Work) -> Change:
    """The claims as their events state them, on hold or not. The payment goes on at once, or
    waits as it did."""
    payment = work.payment
    events: list[Event] = []
    postings: list[Posting] = []
    for claim in work.claims:
        was = dispute_of(payment, claim.provider, claim.report.provider_reference)
        now = _after(payment, was, claim)
        if now is None or now == was:
            continue
        payment = with_dispute(payment, now)
        payment, event = _noted(payment, was, now, claim)
        events.append(event)
        postings += dispute_postings(was, now)
    return replace(
        release(work, due_in=timedelta(0)),
        payment=payment,
        events=tuple(events),
        postings=tuple(postings),
        closed_claims=work.claims,
    )


def stopped(plan: Plan, work: Work) -> Plan | None:
    """A plan that holds the payment in place of a first send that a claim forbids; None where the
    plan may go on."""
    # Before some sends the payouts are asked about; the claim counts before that.
    attempt = plan.work.to_send or plan.work.attempt
    if attempt is None or attempt.state is not AttemptState.INTENDED:
        return None
    claim = _blocking(plan.change.payment, attempt.step)
    return None if claim is None else rest(work, held(work, claim))


def held(work: Work, claim: Dispute) -> Change:
    """The payment waits, because of this claim."""
    return hold(
        work,
        HoldReason.DISPUTED,
        dispute_id=claim.dispute_id,
        provider_reference=claim.provider_reference,
    )


def is_over(payment: Payment) -> bool:
    """Whether the payment is on hold for its claims, and none of them is left. Held at the deadline
    of its merchant, it waits for those that claim the money, also where a person has overruled them
    for the time before."""
    if payment.hold_reason is HoldReason.DISPUTED and payment.state in _WAITING:
        return money_claimed(payment) is None
    step = Step.REFUND if payment.state is State.REFUNDING else Step.PAYOUT
    return payment.hold_reason is HoldReason.DISPUTED and _blocking(payment, step) is None


def go_on(work: Work) -> Change:
    """The claim is over, and with it the hold."""
    ended, event = without_hold(work, actor="worker", cause=Cause.HOLD_RELEASED)
    return replace(release(work, due_in=timedelta(0)), payment=ended.payment, events=(event,))


def overrule(payment: Payment) -> Payment:
    """The payment after a person has decided to go on in spite of its claims: the payout or refund
    that they stopped is sent, or the merchant gets another term."""
    for dispute in payment.disputes:
        if dispute.stops:
            payment = with_dispute(payment, replace(dispute, stops=False))
    return payment


def _blocking(payment: Payment, step: Step) -> Dispute | None:
    if step is Step.PAYOUT:
        return stopping(payment)
    claim = money_claimed(payment) if step is Step.REFUND else None
    return claim if claim is not None and claim.stops else None


def _after(payment: Payment, was: Dispute | None, claim: ClaimEvent) -> Dispute | None:
    if was is not None:
        return was.after(claim.report, claim.stated_at)
    if len(payment.disputes) >= DISPUTES_MAX:
        return None
    return new_dispute(payment, claim.provider, claim.report, claim.stated_at)


def _noted(
    payment: Payment, was: Dispute | None, now: Dispute, claim: ClaimEvent
) -> tuple[Payment, Event]:
    cause = Cause.DISPUTE_UPDATED if was else Cause.DISPUTE_OPENED
    if was is not None and was.is_open and not now.is_open:
        cause = Cause.DISPUTE_CLOSED
    return payment.noted(
        actor=f"provider:{claim.provider}",
        cause=cause,
        dispute_id=now.dispute_id,
        kind=now.kind,
        dispute_status=now.status,
        provider_reference=now.provider_reference,
        event_id=claim.event_id,
        withdrawn_usd=str(now.withdrawn) if now.kind is DisputeKind.DISPUTE else "",
    )
