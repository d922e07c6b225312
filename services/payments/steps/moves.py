"""The moves of a payment, one function each: what is written where an attempt begins, succeeds or
fails, and where a payment waits. Which of them is due is decided in decider."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.domain.attempt import (
    Answer,
    Attempt,
    AttemptState,
    Outcome,
    Step,
    provider_after,
    served_by,
)
from services.payments.domain.ledger import (
    collection_postings,
    exchange_postings,
    payout_postings,
    refund_postings,
)
from services.payments.domain.payment import Failure, State
from services.payments.steps.facts import Call, Change, ClosedNews, News, NewsFate, Plan, Work

# No request is still on its way so long after it was sent: a lease, and all timeouts in it.
SEND_DEADLINE = timedelta(seconds=30)


def begin(work: Work, attempt: Attempt, leads_to: State) -> Plan:
    """The intent of an attempt, to be committed before anything is sent."""
    facts = {"provider": attempt.provider, "key": attempt.key}
    cause = f"{attempt.step}_intended"
    if leads_to is work.payment.state:
        payment, event = work.payment.noted(actor="worker", cause=cause, **facts)
    else:
        payment, event = work.payment.moved(leads_to, actor="worker", cause=cause, **facts)
    change = replace(
        release(work), payment=payment, attempt=attempt, events=(event,), keeps_lease=True
    )
    return Plan(change=change, call=Call.SEND, work=replace(work, payment=payment, attempt=attempt))


def succeed(work: Work, attempt: Attempt, answer: Answer) -> Change:
    """The step is done; with the collection, the exchange at the locked rate is done as well."""
    if attempt.step is Step.COLLECTION:
        return _collected(work, attempt, answer)
    refunded = attempt.step is Step.REFUND
    payment, event = work.payment.moved(
        State.REFUNDED if refunded else State.COMPLETED,
        actor=answer.actor,
        cause=f"{attempt.step}_succeeded",
        **evidence_of(attempt, answer),
    )
    return replace(
        release(work, closed_news=ignored(work.news)),
        payment=payment,
        attempt=attempt.answered(AttemptState.SUCCEEDED, answer),
        events=(event,),
        postings=refund_postings(payment) if refunded else payout_postings(payment),
    )


def _collected(work: Work, attempt: Attempt, answer: Answer) -> Change:
    done = attempt.answered(AttemptState.SUCCEEDED, answer)
    funded, event = work.payment.moved(
        State.FUNDED,
        actor=answer.actor,
        cause="collection_succeeded",
        **evidence_of(attempt, answer),
    )
    payment, exchanged = funded.moved(
        State.CONVERTED,
        actor="worker",
        cause="exchanged_at_locked_rate",
        rate=str(funded.terms.rate),
        payout=f"{funded.terms.payout} {funded.terms.payout.currency}",
    )
    # What is said about the payout is kept until there is one.
    heard = ignored(news for news in work.news if news.step is Step.COLLECTION)
    return replace(
        release(work, due_in=timedelta(0), closed_news=heard),
        payment=replace(payment, collection_reference=done.provider_reference),
        attempt=done,
        events=(event, exchanged),
        postings=(*collection_postings(payment), *exchange_postings(payment.terms)),
    )


def fail(
    work: Work, attempt: Attempt, answer: Answer, now: datetime, *, refundable: bool
) -> Change:
    """A definitive no. Uncollected, the payment has failed: the payer was refused, not we.

    Unpaid, it goes to the corridor's next offramp, and after the last one the sender gets the money
    back. Where that cannot be, a person must see to it.
    """
    following = provider_after(work.payment, attempt.step, attempt.provider)
    if attempt.step is Step.PAYOUT and following is not None:
        return fail_over(work, attempt, answer, following, now)
    evidence, actor = evidence_of(attempt, answer), answer.actor
    cause = f"{attempt.step}_failed"
    if attempt.step is Step.COLLECTION:
        payment, event = work.payment.moved(State.FAILED, actor=actor, cause=cause, **evidence)
        change = release(work)
    elif attempt.step is Step.PAYOUT and refundable:
        payment, event = work.payment.moved(State.REFUNDING, actor=actor, cause=cause, **evidence)
        change = next_attempt(work, attempt, answer, now)
    else:
        payment, event = work.payment.held(cause, actor=actor, **evidence)
        change = release(work)
    return replace(
        change,
        closed_news=ignored(work.news),
        payment=replace(payment, failure=payment.failure or answer.failure),
        attempt=attempt.answered(AttemptState.FAILED, answer),
        events=(event,),
    )


def fail_over(
    work: Work, attempt: Attempt, answer: Answer, following: str, now: datetime
) -> Change:
    """This attempt is over for good, and the corridor's next provider is due."""
    payment, event = work.payment.noted(
        actor=answer.actor, cause=f"{attempt.step}_failed_over", **evidence_of(attempt, answer)
    )
    return replace(
        next_attempt(work, attempt, answer, now),
        payment=served_by(payment, attempt.step, following),
        events=(event,),
    )


def retire(work: Work, attempt: Attempt, now: datetime) -> Change:
    """The key is worn out and the provider has nothing under it: the same provider, a new key."""
    failure = Failure(code="error_cached", message="the key's error is cached for good")
    answer = Answer(outcome=Outcome.FAILED, failure=failure)
    payment, event = work.payment.noted(
        actor="worker", cause=f"{attempt.step}_key_retired", **evidence_of(attempt, answer)
    )
    return replace(next_attempt(work, attempt, answer, now), payment=payment, events=(event,))


def next_attempt(work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
    """Ends an attempt so that the next one can begin, once nothing of this one can still arrive."""
    in_flight = timedelta(0)
    # Sent once and answered: there is no second request that could be under way.
    sent_once = attempt.sent_at == attempt.last_sent_at
    settled = work.first_send or (sent_once and attempt.state is AttemptState.ACCEPTED)
    if attempt.last_sent_at is not None and not settled:
        in_flight = max(attempt.last_sent_at + SEND_DEADLINE - now, timedelta(0))
    return replace(
        release(work, due_in=in_flight),
        attempt=attempt.answered(AttemptState.FAILED, answer),
    )


def is_about(news: News, attempt: Attempt) -> bool:
    """Whether an event is about this very attempt, as far as it says."""
    return news.step is attempt.step and news.answer.key in ("", attempt.key)


def contradicts_a_failure(work: Work, attempt: Attempt) -> bool:
    """Whether an event says that something succeeded which we had recorded as failed."""
    return any(
        news.answer.outcome is Outcome.SUCCEEDED and _failed_before(news, attempt)
        for news in work.news
    )


def _failed_before(news: News, attempt: Attempt) -> bool:
    if news.step is attempt.step:
        return not is_about(news, attempt)
    return news.step is Step.PAYOUT and attempt.step is Step.REFUND


def hold(work: Work, reason: str, **evidence: str) -> Change:
    """The payment waits for a person."""
    payment, event = work.payment.held(reason, actor="worker", **evidence)
    return replace(release(work), payment=payment, events=(event,))


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
        lease_token=work.lease_token,
        closed_news=closed_news,
        due_in=due_in,
    )


def rest(work: Work, change: Change) -> Plan:
    """A plan that asks nobody."""
    return Plan(change=change, call=None, work=work)


def ignored(news: Iterable[News]) -> tuple[ClosedNews, ...]:
    """The events, as needing no more attention."""
    return tuple(ClosedNews(news=item, fate=NewsFate.IGNORED) for item in news)


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
