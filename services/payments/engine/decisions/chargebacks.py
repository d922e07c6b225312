"""Claims against a payment's collection. An event only says that there is something to ask: the
onramp's answer changes the payment's record of its claim, with the money that it has taken for it,
and an open one stops what has not been sent."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions.facts import Change, ClaimAnswers, ClaimEvent, Plan, Work
from services.payments.engine.decisions.waiting import hold, release, rest, without_hold
from services.payments.model.actor import provider_actor
from services.payments.model.attempt import AttemptState, Capabilities, Step
from services.payments.model.causes import Cause
from services.payments.model.dispute import (
    Dispute,
    DisputeKind,
    DisputeReport,
    dispute_of,
    money_claimed,
    new_dispute,
    stopping,
    with_dispute,
)
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import Posting, dispute_postings
from services.payments.model.payment import Event, Payment, State
from services.payments.model.timing import (
    CLAIM_PATIENCE,
    DOUBTED_TRIES,
    LOOK_UP_BEHIND_EVENT,
    poll_in,
)

# The merchant decides, until a deadline at which the money goes back.
_WAITING = frozenset({State.RETURNED, State.ACTION_REQUIRED, State.PARTLY_REFUNDED})
# So many are kept of one payment; of more, the events only end.
DISPUTES_MAX = 50
# Nobody was asked.
NO_ANSWERS = ClaimAnswers(reports={})


def to_ask(work: Work, providers: Mapping[str, Capabilities]) -> frozenset[tuple[str, str]]:
    """The claims that a provider is asked about before their events count: those that may take
    money. A warning or a review takes none."""
    return frozenset(
        event.claim
        for event in work.claims
        if event.report.kind is DisputeKind.DISPUTE
        and (known := providers.get(event.provider)) is not None
        and known.looks_up_disputes
    )


def record(
    work: Work,
    providers: Mapping[str, Capabilities],
    now: datetime,
    answers: ClaimAnswers = NO_ANSWERS,
) -> Change:
    """The claims as their providers have answered, on hold or not; the payment goes on at once, or
    waits as it did. Without an answer the event waits and is asked about again, and after enough of
    that it counts as it is: it was signed, and the money that it speaks of is in no other place."""
    asked = to_ask(work, providers)
    waiting = tuple(
        event
        for event in work.claims
        if event.claim in asked
        and answers.reports.get(event.claim) is None
        and not _is_patience_over(event, now, denied=event.claim in answers.reports)
    )
    noted = tuple(event for event in work.claims if event not in waiting)
    pauses = (poll_in(event.asked_since or now, now) for event in waiting)
    change = _noting(work, noted, answers)
    return replace(change, due_in=min(pauses, default=timedelta(0)), asked_claims=waiting)


def _is_patience_over(event: ClaimEvent, now: datetime, *, denied: bool) -> bool:
    patience = LOOK_UP_BEHIND_EVENT if denied else CLAIM_PATIENCE
    return now - (event.asked_since or now) >= patience and event.asked >= DOUBTED_TRIES


def _noting(work: Work, claims: tuple[ClaimEvent, ...], answers: ClaimAnswers) -> Change:
    payment = work.payment
    events: list[Event] = []
    postings: list[Posting] = []
    for claim in claims:
        was = dispute_of(payment, *claim.claim)
        now = _after(payment, was, claim, answers.reports.get(claim.claim))
        if now is None or now == was:
            continue
        payment = with_dispute(payment, now)
        payment, event = _noted(payment, was, now, claim)
        events.append(event)
        postings += dispute_postings(was, now)
    return replace(
        release(work),
        payment=payment,
        events=tuple(events),
        postings=tuple(postings),
        closed_claims=claims,
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


def _after(
    payment: Payment, was: Dispute | None, claim: ClaimEvent, found: DisputeReport | None
) -> Dispute | None:
    if was is not None and found is not None:
        return was.as_found(found, claim.stated_at)
    if was is not None:
        return was.after(claim.report, claim.stated_at)
    if len(payment.disputes) >= DISPUTES_MAX:
        return None
    return new_dispute(payment, claim.provider, found or claim.report, claim.stated_at)


def _noted(
    payment: Payment, was: Dispute | None, now: Dispute, claim: ClaimEvent
) -> tuple[Payment, Event]:
    cause = Cause.DISPUTE_UPDATED if was else Cause.DISPUTE_OPENED
    if was is not None and was.is_open and not now.is_open:
        cause = Cause.DISPUTE_CLOSED
    return payment.noted(
        actor=provider_actor(claim.provider),
        cause=cause,
        dispute_id=now.dispute_id,
        kind=now.kind,
        dispute_status=now.status,
        provider_reference=now.provider_reference,
        event_id=claim.event_id,
        withdrawn_usd=str(now.withdrawn) if now.kind is DisputeKind.DISPUTE else "",
    )
