"""Where a payment waits: for its next time, for a person, or for good. And what an event of the
history rests on, which every move and every hold states alike."""

from dataclasses import replace
from datetime import timedelta

from services.payments.domain.attempt import Answer, Attempt
from services.payments.steps.facts import Change, ClosedNews, Plan, Work
from services.payments.steps.news import ignored, known


def hold(work: Work, reason: str, **evidence: str) -> Change:
    """The payment waits for a person; the events that led here are not to lead here again."""
    payment, event = work.payment.held(reason, actor="worker", **evidence)
    heard = ignored(known(work))
    return replace(release(work, closed_news=heard), payment=payment, events=(event,))


def release(
    work: Work,
    *,
    due_in: timedelta | None = None,
    closed_news: tuple[ClosedNews, ...] = (),
) -> Change:
    """No move: the lease ends, and the payment is due again when it is said to be."""
    return Change(
        payment=work.payment,
        expected_version=work.payment.version,
        status_before=work.payment.status,
        lease_token=work.lease_token,
        closed_news=closed_news,
        due_in=due_in,
    )


def rest(work: Work, change: Change) -> Plan:
    """A plan that asks nobody."""
    return Plan(change=change, call=None, work=work)


def evidence_of(attempt: Attempt, answer: Answer) -> dict[str, str]:
    """What an event of the history rests on."""
    facts = {
        "provider": attempt.provider,
        "key": attempt.key,
        "provider_reference": answer.provider_reference or attempt.provider_reference,
        "event_id": answer.event_id,
    }
    if answer.failure is not None:
        facts |= {"failure_code": answer.failure.code, "failure_message": answer.failure.message}
    return facts


def live(work: Work) -> Attempt:
    """The work's attempt. Raises ValueError where there is none, which no recorded state allows."""
    if work.attempt is None:
        raise ValueError(f"{work.payment.transaction_id} has no attempt to settle")
    return work.attempt
