"""The moves of a payment forward, one function each: what is written where an attempt begins,
succeeds or fails. The ways back are in ways_back, the pauses in waiting; which move is due is
decided in decider."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.decisions.news import but_successes, closed, heard
from services.payments.engine.decisions.waiting import evidence_of, release
from services.payments.engine.decisions.ways_back import back_to_the_payer
from services.payments.model.attempt import (
    Answer,
    Attempt,
    AttemptState,
    Outcome,
    Step,
    provider_after,
    served_by,
)
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import (
    collection_postings,
    exchange_postings,
    payout_postings,
    refund_postings,
)
from services.payments.model.payment import Event, ExchangeRule, Failure, Payment, State
from services.payments.model.timing import CLOCK_SKEW, SEND_DEADLINE, round_in


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


def succeed(
    work: Work, attempt: Attempt, answer: Answer, now: datetime, final_after: timedelta
) -> Change:
    """The step is done. With the collection, the exchange at the locked rate is done as well. A
    payout is looked at once more when it is final."""
    if attempt.step is Step.COLLECTION:
        return _collected(work, attempt, answer, now)
    if attempt.step is Step.REFUND:
        return _refunded(work, attempt, answer)
    payment, event = work.payment.moved(
        State.COMPLETED,
        actor=answer.actor,
        cause="payout_succeeded",
        **evidence_of(attempt, answer),
    )
    return replace(
        release(work, due_in=final_after or None, closed_news=closed(work, attempt)),
        payment=payment,
        attempt=attempt.answered(AttemptState.SUCCEEDED, answer),
        events=(event,),
        postings=payout_postings(payment),
    )


def _collected(work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
    """The money is here: exchanged, or kept in dollars where it was taken after the offer had
    expired, or returned where the merchant has called it off meanwhile."""
    taken_at = attempt.taken_at(answer, now, CLOCK_SKEW)
    payment, event = work.payment.moved(
        State.FUNDED,
        actor=answer.actor,
        cause="collection_succeeded",
        taken_at=taken_at.isoformat(),
        **evidence_of(attempt, answer),
    )
    # What is said about the payout is kept until there is one.
    used = tuple(c for c in closed(work, attempt) if c.news.step is Step.COLLECTION)
    change = replace(
        release(work, due_in=timedelta(0), closed_news=used),
        payment=replace(payment, collection_reference=answer.provider_reference),
        attempt=attempt.answered(AttemptState.SUCCEEDED, answer),
        events=(event,),
        postings=collection_postings(payment),
    )
    if payment.cancel_requested_at is not None:
        return back_to_the_payer(change, actor="merchant", cause="cancelled_after_collection")
    if taken_at <= payment.last_moment:
        return exchange(change, cause="exchanged_at_locked_rate")
    return change


def exchange(change: Change, *, cause: str, actor: str = "worker", **facts: str) -> Change:
    """The change, with the exchange at the payment's rate as its next move."""
    terms = change.payment.terms
    payment, event = change.payment.moved(
        State.CONVERTED,
        actor=actor,
        cause=cause,
        rate=str(terms.rate),
        payout=f"{terms.payout} {terms.payout.currency}",
        **facts,
    )
    payment = replace(payment, exchange_rule=ExchangeRule.PAYOUT_BOUGHT)
    return replace(
        change,
        payment=payment,
        events=(*change.events, event),
        postings=(*change.postings, *exchange_postings(payment)),
    )


def _refunded(work: Work, attempt: Attempt, answer: Answer) -> Change:
    """A refund has reached the payer; the last one ends the payment, any other leaves it open."""
    facts = evidence_of(attempt, answer) | {"amount_usd": str(attempt.amount)}
    before = replace(work.payment, refunded=work.payment.refunded + attempt.amount)
    payment: Payment
    event: Event
    if before.refundable.amount_minor == 0:
        payment, event = before.moved(
            State.REFUNDED, actor=answer.actor, cause="refund_succeeded", **facts
        )
    else:
        payment, event = before.noted(actor=answer.actor, cause="refund_succeeded", **facts)
    return replace(
        release(work, closed_news=closed(work, attempt)),
        payment=payment,
        attempt=attempt.answered(AttemptState.SUCCEEDED, answer),
        events=(event,),
        postings=refund_postings(payment, attempt.amount),
    )


def fail(
    work: Work,
    attempt: Attempt,
    answer: Answer,
    now: datetime,
    *,
    refundable: bool,
    passing: bool,
) -> Change:
    """A definitive no. Uncollected, the payment has failed: the payer was refused, not we.

    Unpaid, it goes to the corridor's next offramp. After the last one the route rests and begins
    anew, where the last no says nothing of the recipient and may pass; else the sender gets the
    money back. Where that cannot be, a person must see to it.
    """
    following = provider_after(work.payment, attempt.step, attempt.provider)
    if attempt.step is Step.PAYOUT and following is not None:
        return fail_over(work, attempt, answer, following, now)
    rest = _rest_of_route(work.payment, attempt) if passing else None
    if rest is not None:
        return wait_for_route(work, attempt, answer, rest, now)
    facts, actor = evidence_of(attempt, answer), answer.actor
    cause = f"{attempt.step}_failed"
    change = replace(
        next_attempt(work, attempt, answer, now),
        payment=replace(work.payment, failure=work.payment.failure or answer.failure),
        closed_news=but_successes(closed(work, attempt)),
    )
    if attempt.step is Step.PAYOUT and refundable:
        return back_to_the_payer(change, actor=actor, cause=cause, **facts)
    if attempt.step is Step.COLLECTION:
        payment, event = change.payment.moved(State.FAILED, actor=actor, cause=cause, **facts)
    else:
        payment, event = change.payment.held(HoldReason(cause), actor=actor, **facts)
    # An event that tells of a success is looked into at once.
    left = timedelta(0) if len(change.closed_news) < len(work.news) else None
    return replace(change, payment=payment, events=(event,), due_in=left)


def _rest_of_route(payment: Payment, attempt: Attempt) -> timedelta | None:
    """How long the payment's offramps rest before they are tried anew; None where they are not."""
    if attempt.step is not Step.PAYOUT:
        return None
    rounds = -(-attempt.number // len(payment.route.offramps))
    return round_in(rounds, payment.route.patience)


def wait_for_route(
    work: Work, attempt: Attempt, answer: Answer, rest: timedelta, now: datetime
) -> Change:
    """No offramp can pay now: the first one is tried again when the route has rested."""
    first = work.payment.route.offramps[0]
    change = fail_over(work, attempt, answer, first, now, cause="payout_waits")
    return replace(change, due_in=max(change.due_in or timedelta(0), rest, answer.retry_after))


def fail_over(
    work: Work,
    attempt: Attempt,
    answer: Answer,
    following: str,
    now: datetime,
    *,
    cause: str = "",
) -> Change:
    """This attempt is over for good, and the corridor's next provider is due."""
    payment, event = work.payment.noted(
        actor=answer.actor,
        cause=cause or f"{attempt.step}_failed_over",
        **evidence_of(attempt, answer),
    )
    return replace(
        next_attempt(work, attempt, answer, now),
        payment=served_by(payment, attempt.step, following),
        events=(event,),
        closed_news=but_successes(heard(work, attempt)),
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
