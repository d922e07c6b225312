"""Where a payment waits: for its next time, for a person, or for good. And what an event of the
history rests on, which every move and every hold states alike."""

from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.facts import Change, ClosedEvent, Plan, Work
from services.payments.model.answer import Answer
from services.payments.model.attempt import Attempt
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Event


def hold(work: Work, reason: HoldReason, **evidence: str) -> Change:
    """The payment waits for a person; its events stay in the inbox until then."""
    payment, event = work.payment.held(reason, actor="worker", **evidence)
    return replace(release(work), payment=payment, events=(event,))


def without_hold(work: Work, *, actor: str, cause: Cause, **evidence: str) -> tuple[Work, Event]:
    """The work with its hold ended, and the event that says so."""
    reason = work.payment.hold_reason or ""
    payment, event = work.payment.noted(actor=actor, cause=cause, hold_reason=reason, **evidence)
    return replace(work, payment=replace(payment, hold_reason=None)), event


def since_claim(work: Work, change: Change, event: Event) -> Change:
    """The change of a work whose hold was ended by an event, as one change since the claim."""
    return replace(
        change,
        before=work.payment,
        events=(event, *change.events),
    )


def release(
    work: Work,
    *,
    due_in: timedelta | None = None,
    closed_events: tuple[ClosedEvent, ...] = (),
) -> Change:
    """No move: the lease ends, and the payment is due again when it is said to be."""
    return Change(
        payment=work.payment,
        before=work.payment,
        lease_token=work.lease_token,
        closed_events=closed_events,
        due_in=due_in,
    )


def rest(work: Work, change: Change) -> Plan:
    """A plan without a call."""
    return Plan(change=change, call=None, work=work)


def evidence_of(attempt: Attempt, answer: Answer) -> dict[str, str]:
    """The evidence of an event of the history."""
    facts = {
        "provider": attempt.provider,
        "key": attempt.key,
        "provider_reference": answer.provider_reference or attempt.provider_reference,
        "event_id": answer.event_id,
    }
    if answer.failure is not None:
        facts |= {"failure_code": answer.failure.code, "failure_message": answer.failure.message}
    return facts


def amounts_of(attempt: Attempt, answer: Answer) -> dict[str, str]:
    """Our amount, and the provider's where it states one."""
    stated = answer.amount
    return {
        "expected": f"{attempt.amount} {attempt.amount.currency}",
        "stated": f"{stated} {stated.currency}" if stated else "",
    }


def live(work: Work) -> Attempt:
    """The work's attempt. Raises ValueError where there is none, which no recorded state allows."""
    if work.attempt is None:
        raise ValueError(f"{work.payment.transaction_id} has no attempt to settle")
    return work.attempt
