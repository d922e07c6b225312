"""The moves of a payment forward, one function each: the change that is written where an attempt
begins, is accepted, succeeds or fails. Returns and refunds are in returns_and_refunds, pauses in
waiting; decider and table decide which move is due."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions.cancel_window import as_cancelled, rest_in_window
from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.corrections import with_recipient_paid
from services.payments.engine.decisions.disputes import also_succeeded
from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.decisions.inbox_events import (
    closed,
    closed_at_the_end,
    closed_known,
    without_successes,
)
from services.payments.engine.decisions.payers import with_payer
from services.payments.engine.decisions.refunds import after_refund
from services.payments.engine.decisions.returns_and_refunds import begin_refund
from services.payments.engine.decisions.step_causes import (
    ACCEPTED,
    FAILED_OVER,
    HELD_AFTER_FAILURE,
    INTENDED,
    KEY_RETIRED,
)
from services.payments.engine.decisions.suspense import mismatch
from services.payments.engine.decisions.waiting import hold, release
from services.payments.model.answer import NEVER_LEFT, NOT_ACCEPTED, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step, provider_after, served_by
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import (
    collection_postings,
    exchange_postings,
    payout_postings,
    refund_postings,
)
from services.payments.model.payment import ExchangeRule, Failure, Payment, State
from services.payments.model.timing import (
    CLOCK_SKEW,
    HELD_POLL,
    OPEN_AT_MOST,
    poll_in,
    round_in,
)


def begin(work: Work, attempt: Attempt, leads_to: State) -> Plan:
    """The intent of an attempt, to be committed before anything is sent."""
    facts = {"provider": attempt.provider, "key": attempt.key}
    cause = INTENDED[attempt.step]
    if leads_to is work.payment.state:
        payment, event = work.payment.noted(actor="worker", cause=cause, **facts)
    else:
        payment, event = work.payment.moved(leads_to, actor="worker", cause=cause, **facts)
    change = replace(
        release(work), payment=payment, attempt=attempt, events=(event,), keeps_lease=True
    )
    return Plan(change=change, call=Call.SEND, work=replace(work, payment=payment, attempt=attempt))


def accept(case: Case) -> Change:
    """The provider has it and will decide, or waits for the payer; after days without that a person
    must see to it."""
    work, attempt = case.work, case.attempt
    if case.now - (attempt.sent_at or case.now) >= OPEN_AT_MOST[attempt.step]:
        held = hold(work, HoldReason.OUTCOME_UNKNOWN, **case.evidence)
        known = attempt.answered(AttemptState.ACCEPTED, case.answer)
        return replace(held, attempt=known, due_in=HELD_POLL)
    used = closed_known(work, attempt)
    change = release(work, due_in=poll_in(attempt.sent_at, case.now), closed_events=used)
    released = with_payer(case, change)
    if attempt.state is AttemptState.ACCEPTED:
        return released
    accepted = attempt.answered(AttemptState.ACCEPTED, case.answer)
    if released.asks_payer:
        return replace(released, attempt=accepted)
    payment, event = released.payment.noted(
        actor=case.answer.actor, cause=ACCEPTED[attempt.step], **case.evidence
    )
    if attempt.step is Step.PAYOUT:
        payment = replace(payment, sent_at=payment.sent_at or case.now)
    return replace(
        released,
        payment=payment,
        attempt=accepted,
        events=(event,),
    )


def succeed(case: Case) -> Change:
    """The step is done, unless the provider states another amount than was asked of it. Held where
    it was done twice."""
    attempt, answer = case.attempt, case.answer
    if not answer.is_a_persons and answer.amount not in (None, attempt.amount):
        return mismatch(case)
    return doubled(case.work, done(case))


def done(case: Case) -> Change:
    """The step is done. With the collection, the exchange at the locked rate is done as well. A
    payout is looked at once more when it is final, and its payment shows whom it has paid."""
    work, attempt, answer = case.work, case.attempt, case.answer
    if attempt.step is Step.COLLECTION:
        return _collected(case)
    if attempt.step is Step.REFUND:
        return _refunded(case)
    shown, earlier_paid = with_recipient_paid(work.payment, attempt)
    payment, event = shown.moved(
        State.COMPLETED, actor=answer.actor, cause=Cause.PAYOUT_SUCCEEDED, **case.evidence
    )
    final_after = case.capabilities.success_final_after
    used = closed_at_the_end(work, attempt)
    left = timedelta(0) if len(used) < len(work.inbox) else None
    return replace(
        release(work, due_in=(final_after or None) if left is None else left, closed_events=used),
        payment=payment,
        attempt=attempt.answered(AttemptState.SUCCEEDED, answer),
        events=(*earlier_paid, event),
        postings=payout_postings(payment),
        corrects=bool(earlier_paid),
    )


def _collected(case: Case) -> Change:
    """The money is here: exchanged, or kept in dollars where it was taken after the offer had
    expired, or refunded where the merchant has cancelled it meanwhile."""
    work, attempt, answer = case.work, case.attempt, case.answer
    taken_at = attempt.taken_at(answer, case.now, CLOCK_SKEW)
    payment, event = work.payment.moved(
        State.FUNDED,
        actor=answer.actor,
        cause=Cause.COLLECTION_SUCCEEDED,
        taken_at=taken_at.isoformat(),
        **case.evidence,
    )
    # Events about the payout are kept until there is one.
    ended = closed_at_the_end(work, attempt)
    used = tuple(c for c in ended if c.event.step is Step.COLLECTION)
    change = replace(
        release(work, due_in=timedelta(0), closed_events=used),
        payment=_with_window(case, payment, taken_at),
        attempt=attempt.answered(AttemptState.SUCCEEDED, answer),
        events=(event,),
        postings=collection_postings(payment),
    )
    if payment.cancel_requested_at is not None:
        change = replace(change, payment=as_cancelled(change.payment))
        return begin_refund(change, actor="merchant", cause=Cause.CANCELLED_AFTER_COLLECTION)
    if taken_at <= payment.last_moment:
        due_in = rest_in_window(change.payment, case.now)
        return exchange(replace(change, due_in=due_in), cause=Cause.EXCHANGED_AT_LOCKED_RATE)
    return change


def _with_window(case: Case, payment: Payment, taken_at: datetime) -> Payment:
    """The collected payment, with the end of its cancel window where its corridor has one. Where
    the provider has not said when it took the money, the payer's time begins now."""
    window = payment.route.cancel_window
    began = taken_at if case.answer.occurred_at == taken_at else case.now
    return replace(
        payment,
        collection_reference=case.answer.provider_reference or case.attempt.provider_reference,
        cancellable_until=began + window if window else None,
    )


def exchange(change: Change, *, cause: Cause, actor: str = "worker", **facts: str) -> Change:
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


def _refunded(case: Case) -> Change:
    """A refund has reached the payer. The last one ends the payment; after any other the merchant
    decides about the rest, unless another one waits."""
    work, attempt, answer = case.work, case.attempt, case.answer
    facts = case.evidence | {"amount_usd": str(attempt.amount)}
    given, state = after_refund(work.payment, attempt)
    cause = Cause.REFUND_SUCCEEDED
    if state is given.state:
        payment, event = given.noted(actor=answer.actor, cause=cause, **facts)
    else:
        payment, event = given.moved(state, actor=answer.actor, cause=cause, **facts)
    used = closed_at_the_end(work, attempt)
    goes_on = state is State.REFUNDING or len(used) < len(work.inbox)
    return replace(
        release(work, due_in=timedelta(0) if goes_on else None, closed_events=used),
        payment=payment,
        attempt=attempt.answered(AttemptState.SUCCEEDED, answer),
        events=(event,),
        postings=refund_postings(payment, attempt.amount),
    )


def fail(case: Case) -> Change:
    """A definitive failure. Uncollected, the payment has failed: the payer was refused.

    Unpaid, it goes to the corridor's next offramp. After the last one the route rests and begins
    again, where the last refusal may pass; else the sender gets the money back. Where that cannot
    be, a person must see to it. A failure that is about the recipient is in refusals.
    """
    work, attempt, answer = case.work, case.attempt, case.answer
    following = provider_after(work.payment, attempt.step, attempt.provider)
    if attempt.step is Step.PAYOUT and following is not None:
        return fail_over(case, following)
    rest = _rest_of_route(case) if _is_passing(case) else None
    if rest is not None:
        return wait_for_route(case, rest)
    facts, actor = case.evidence, answer.actor
    change = replace(
        next_attempt(case),
        payment=replace(work.payment, failure=work.payment.failure or answer.failure),
        closed_events=without_successes(closed(work, attempt)),
    )
    if attempt.step is Step.PAYOUT and _is_refundable(case):
        return begin_refund(change, actor=actor, cause=Cause.PAYOUT_FAILED, **facts)
    if attempt.step is Step.COLLECTION:
        payment, event = change.payment.moved(
            State.FAILED, actor=actor, cause=Cause.COLLECTION_FAILED, **facts
        )
    else:
        payment, event = change.payment.held(HELD_AFTER_FAILURE[attempt.step], actor=actor, **facts)
    # An event that states a success is looked up at once.
    left = timedelta(0) if len(change.closed_events) < len(work.inbox) else None
    return replace(change, payment=payment, events=(event,), due_in=left)


def _is_passing(case: Case) -> bool:
    """Whether the failure may pass."""
    passing = case.capabilities.passing_failures
    return case.answer.code in (NEVER_LEFT, NOT_ACCEPTED, *passing)


def _is_refundable(case: Case) -> bool:
    """Whether the onramp can give back what it has collected."""
    onramp = case.providers.get(case.payment.onramp)
    return onramp is not None and onramp.refunds


def _rest_of_route(case: Case) -> timedelta | None:
    """How long the payment's offramps rest before they are tried again; None where they are not."""
    if case.attempt.step is not Step.PAYOUT:
        return None
    route = case.payment.route
    return round_in(-(-case.tries // len(route.offramps)), route.patience)


def wait_for_route(case: Case, rest: timedelta) -> Change:
    """No offramp can pay now: the first one is tried again when the route has rested."""
    first = case.payment.route.offramps[0]
    change = fail_over(case, first, cause=Cause.PAYOUT_WAITS)
    due_in = max(change.due_in or timedelta(0), rest, case.answer.retry_after)
    return replace(change, due_in=due_in, rest=due_in)


def fail_over(case: Case, following: str, *, cause: Cause | None = None) -> Change:
    """This attempt is over for good, and the corridor's next provider is due."""
    step = case.attempt.step
    payment, event = case.payment.noted(
        actor=case.answer.actor, cause=cause or FAILED_OVER[step], **case.evidence
    )
    return replace(
        next_attempt(case),
        payment=served_by(payment, step, following),
        events=(event,),
        closed_events=without_successes(closed_known(case.work, case.attempt)),
    )


def retire(case: Case) -> Change:
    """The key has a cached error and the provider has nothing under it: the same provider, a new
    key."""
    failure = Failure(code="error_cached", message="the key's error is cached for good")
    ended = replace(case, answer=Answer(outcome=Outcome.FAILED, failure=failure))
    payment, event = case.payment.noted(
        actor="worker", cause=KEY_RETIRED[case.attempt.step], **ended.evidence
    )
    return replace(next_attempt(ended), payment=payment, events=(event,))


def next_attempt(case: Case) -> Change:
    """Ends an attempt so that the next one can begin, once nothing of this one can still arrive."""
    work, attempt = case.work, case.attempt
    in_flight = timedelta(0)
    # Sent once and answered: there is no second request that could be under way.
    sent_once = attempt.sent_at == attempt.last_sent_at
    settled = work.first_send or (sent_once and attempt.state is AttemptState.ACCEPTED)
    if attempt.landed_at is not None and not settled:
        in_flight = max(attempt.landed_at - case.now, timedelta(0))
    return replace(
        release(work, due_in=in_flight),
        attempt=attempt.answered(AttemptState.FAILED, case.answer),
        rest=in_flight or None,
    )


def doubled(work: Work, change: Change) -> Change:
    """The change that takes a success, held where its step has succeeded twice: the money of the
    other attempt stays on suspense, and a person must see to it."""
    attempt = change.attempt
    if attempt is None or attempt.state is not AttemptState.SUCCEEDED:
        return change
    twice = also_succeeded(work, attempt)
    if not twice:
        return change
    payment, event = change.payment.held(
        HoldReason.LATE_SUCCESS,
        actor="worker",
        provider=attempt.provider,
        key=attempt.key,
        provider_reference=attempt.provider_reference,
        **twice,
    )
    return replace(change, payment=payment, events=(*change.events, event), due_in=None)
