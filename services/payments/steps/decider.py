"""Which move is due, decided by the recorded states, by what each provider has declared of itself,
and by nothing else. Pure: the worker carries the decisions out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.domain.attempt import (
    DENIAL,
    FAULT,
    MISMATCHES,
    Answer,
    Attempt,
    AttemptState,
    Capabilities,
    LookUp,
    Outcome,
    Step,
    intend,
    provider_after,
)
from services.payments.domain.payment import ENDED, State
from services.payments.domain.quote import RateTrail
from services.payments.steps.facts import Call, Change, Plan, Work
from services.payments.steps.late_funds import price_anew
from services.payments.steps.moves import (
    SEND_DEADLINE,
    begin,
    fail,
    fail_over,
    retire,
    succeed,
)
from services.payments.steps.news import (
    closed,
    contradicts_a_failure,
    evidence,
    heard,
    ignored,
    named_by_event,
    or_what_was_heard,
    outdated,
    takes_back,
)
from services.payments.steps.suspense import mismatch, with_suspense
from services.payments.steps.waiting import evidence_of, hold, live, release, rest
from services.payments.steps.ways_back import (
    back_to_the_payer,
    call_off,
    come_back,
    is_due_back,
    is_untouched,
    refund_the_rest,
)
from services.shared.errors import DomainError

# An unknown outcome is looked into again after 0.5 s, 1 s, 2 s … and then every minute.
FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=60)
LONGEST_SPREAD = timedelta(seconds=10)
# A pending operation is asked about when it is a quarter older than at the last time.
FIRST_POLL = timedelta(seconds=1)
LONGEST_POLL = timedelta(seconds=60)
# A cached error is believed to be for good when it has come so often.
CACHED_ERRORS = 5

STEP_OF_STATE: Mapping[State, Step] = {
    State.CREATED: Step.COLLECTION,
    State.COLLECTING: Step.COLLECTION,
    State.CONVERTED: Step.PAYOUT,
    State.PAYING_OUT: Step.PAYOUT,
    State.COMPLETED: Step.PAYOUT,
    State.RETURNED: Step.PAYOUT,
    State.REFUNDING: Step.REFUND,
    State.REFUNDED: Step.REFUND,
}
# Where the intent of a step leads, for the steps whose first attempt moves the payment.
BEGINS: Mapping[State, State] = {
    State.CREATED: State.COLLECTING,
    State.CONVERTED: State.PAYING_OUT,
}


class Decider:
    """Decides by the states in the database and by what each provider has declared of itself."""

    def __init__(
        self, capabilities: Mapping[str, Capabilities], spread: Callable[[], float]
    ) -> None:
        """Spread gives numbers in [0, 1) that keep retries of many payments apart."""
        self._capabilities = capabilities
        self._spread = spread

    def plan(self, work: Work) -> Plan:
        """The next move of a claimed payment."""
        plan = self._plan(work)
        return replace(plan, change=with_suspense(work, plan.change))

    def _plan(self, work: Work) -> Plan:
        payment = work.payment
        if payment.hold_reason is not None:
            # What is heard meanwhile stays in the inbox for whoever ends the hold.
            return rest(work, release(work))
        if contradicts_a_failure(work):
            return rest(work, hold(work, "late_success"))
        stale = outdated(work)
        work = replace(work, news=tuple(news for news in work.news if news not in stale))
        plan = self._next(work)
        change = plan.change
        return replace(
            plan, change=replace(change, closed_news=(*change.closed_news, *ignored(stale)))
        )

    def _next(self, work: Work) -> Plan:
        payment = work.payment
        if payment.state is State.COMPLETED or payment.state in ENDED:
            return self._watch_over(work)
        if is_due_back(work):
            return rest(work, refund_the_rest(work))
        if payment.state is State.RETURNED:
            # What becomes of the money is for the merchant to say, until the deadline.
            return rest(work, release(work, closed_news=ignored(work.news)))
        if self._is_unwanted(work, work.claimed_at) and is_untouched(work):
            return rest(work, call_off(work))
        return self._forward(work)

    def follow(self, work: Work, change: Change) -> Plan | None:
        """The payout that is due with this change, its intent recorded in the same transaction;
        None where none is. Only for a payment that nothing else has happened to since its claim."""
        payment = change.payment
        # What is heard and not dealt with comes first.
        unheard = len(work.news) > len(change.closed_news)
        if payment.state is not State.CONVERTED or change.due_in != timedelta(0) or unheard:
            return None
        plan = self._forward(replace(work, payment=payment, attempt=None, news=(), earlier=()))
        if plan.call is not Call.SEND:
            return None
        merged = replace(
            change,
            payment=plan.change.payment,
            following=plan.change.attempt,
            events=(*change.events, *plan.change.events),
            keeps_lease=True,
            due_in=None,
        )
        return replace(plan, change=merged)

    def _forward(self, work: Work) -> Plan:
        """The next move of a payment whose money is still to be collected or paid out."""
        payment = work.payment
        if payment.cancel_requested_at and payment.state in (State.FUNDED, State.CONVERTED):
            cause = "cancelled_before_payout"
            return rest(work, back_to_the_payer(release(work), actor="merchant", cause=cause))
        if payment.state is State.FUNDED:
            return Plan(change=replace(release(work), keeps_lease=True), call=Call.PRICE, work=work)
        if work.attempt is None:
            leads_to = BEGINS.get(payment.state, payment.state)
            return begin(work, intend(payment, STEP_OF_STATE[payment.state], 1), leads_to)
        return self._continue(work, work.attempt)

    def _continue(self, work: Work, attempt: Attempt) -> Plan:
        """The next move of a step that has begun."""
        capabilities = self._capabilities.get(attempt.provider)
        if capabilities is None:
            return rest(work, hold(work, "provider_unknown"))
        if attempt.state is AttemptState.FAILED:
            amount = attempt.amount if attempt.step is Step.REFUND else None
            following = intend(work.payment, attempt.step, attempt.number + 1, amount)
            return begin(work, following, work.payment.state)
        if attempt.state is AttemptState.SUCCEEDED:
            # A part has been refunded, and nobody has asked for more yet.
            return self._watch_over(work)
        answer = evidence(work, attempt, capabilities)
        if answer is not None:
            return rest(work, self._settle(work, answer, work.claimed_at))
        named = named_by_event(work, attempt)
        return self._go_on(replace(work, attempt=named), named)

    def _watch_over(self, work: Work) -> Plan:
        """What has succeeded is asked about when it is said to have failed, and once at the end of
        the time in which it may still come back."""
        attempt = work.attempt
        capabilities = self._capabilities.get(attempt.provider) if attempt else None
        if not attempt or not capabilities or attempt.state is not AttemptState.SUCCEEDED:
            return rest(work, release(work, closed_news=ignored(work.news)))
        # An event may be from before the success, so it is never more than a reason to ask.
        doubted = takes_back(work, attempt)
        final_in = self._final_in(work, attempt)
        if doubted or final_in == timedelta(0):
            change = replace(release(work), keeps_lease=True)
            return Plan(change=change, call=Call.LOOK_UP, work=work)
        return rest(work, release(work, due_in=final_in, closed_news=ignored(work.news)))

    def _final_in(self, work: Work, attempt: Attempt) -> timedelta | None:
        """How long a completed payment's payout may still come back; None where it cannot."""
        if work.payment.state is not State.COMPLETED:
            return None
        window = self._capabilities[attempt.provider].success_final_after
        if window == timedelta(0):
            return None
        return max(work.payment.updated_at + window - work.claimed_at, timedelta(0))

    def _is_unwanted(self, work: Work, now: datetime) -> bool:
        """Whether nothing shall be taken any more: it was called off, or the quote has expired."""
        payment = work.payment
        if payment.state not in (State.CREATED, State.COLLECTING):
            return False
        return payment.cancel_requested_at is not None or now > payment.last_moment

    def may_send_after(self, work: Work, answer: Answer) -> bool:
        """Whether the same key may be sent after this look-up: absent, and the key still counts.

        A provider that once gave us its id and now denies it contradicts itself; that is for a
        person to look at, never a reason to send.
        """
        attempt = live(work)
        return (
            answer.outcome is Outcome.ABSENT
            and attempt.state is not AttemptState.SUCCEEDED
            and not attempt.provider_reference
            and not self._is_unwanted(work, work.claimed_at)
            and not self._is_spent(attempt)
            and self._capabilities[attempt.provider].may_send_again(attempt, work.claimed_at)
        )

    def price(self, work: Work, trail: RateTrail | DomainError, now: datetime) -> Change:
        """What a new rate means for money that came after its quote had expired."""
        return price_anew(work, trail, now)

    def settle(self, work: Work, answer: Answer, now: datetime) -> Change:
        """What an answer means: the change to record, whatever the outcome."""
        return with_suspense(work, self._settle(work, answer, now))

    def _settle(self, work: Work, answer: Answer, now: datetime) -> Change:
        attempt = live(work)
        capabilities = self._capabilities[attempt.provider]
        answer = or_what_was_heard(work, attempt, capabilities, answer)
        outcome = answer.outcome
        definitive = outcome is Outcome.FAILED and (
            answer.is_a_persons or capabilities.is_definitive(answer.failure)
        )
        if attempt.state is AttemptState.SUCCEEDED:
            return self._watched(work, attempt, answer, definitive=definitive)
        if outcome is Outcome.SUCCEEDED:
            return self._succeed(work, attempt, answer, now)
        if outcome is Outcome.PENDING:
            return self._accept(work, attempt, answer, now)
        if definitive:
            refunds = self._capabilities.get(work.payment.onramp)
            refundable = refunds is not None and refunds.refunds
            return fail(work, attempt, answer, now, refundable=refundable)
        return self._settle_nothing(work, attempt, answer, now)

    def _settle_nothing(
        self, work: Work, attempt: Attempt, answer: Answer, now: datetime
    ) -> Change:
        """What it means that nothing was sent, found or learned."""
        if answer.outcome is Outcome.NOT_SENT and work.first_send:
            return self._not_sent(work, attempt, answer, now)
        if answer.outcome is Outcome.ABSENT and self._is_unwanted(work, now):
            return self._let_go(work, attempt, answer, now)
        if answer.outcome is Outcome.ABSENT and self._is_worn_out(attempt, now):
            return retire(work, attempt, now)
        return self._wonder(work, attempt, answer, now)

    def _watched(self, work: Work, attempt: Attempt, answer: Answer, *, definitive: bool) -> Change:
        """What an answer means for an attempt that had succeeded."""
        if answer.denies(attempt) or answer.outcome is Outcome.ABSENT:
            return hold(work, "provider_contradicts_itself", **evidence_of(attempt, answer))
        if answer.code in MISMATCHES:
            change = hold(work, "amount_mismatch", **evidence_of(attempt, answer))
            moved = answer.amount or attempt.moved
            return replace(change, attempt=attempt.known_to_have_moved(moved))
        if definitive and work.payment.state is State.COMPLETED:
            return come_back(work, attempt, answer)
        if definitive:
            # A refund that did not reach the payer after all: how to pay it is for a person to say.
            return hold(work, f"{attempt.step}_reversed", **evidence_of(attempt, answer))
        if answer.outcome is Outcome.SUCCEEDED:
            # What remains of the time in which it may come back; at its end this was the last time.
            remaining = self._final_in(work, attempt) or None
            return release(work, due_in=remaining, closed_news=closed(work, attempt))
        return release(work, due_in=max(LONGEST_RETRY, answer.retry_after))

    def _let_go(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """The provider has nothing, and nothing that was sent can still reach it: the end."""
        proven = self._capabilities[attempt.provider].absence_is_evidence(attempt, now)
        landed = attempt.last_sent_at is None or now > attempt.last_sent_at + SEND_DEADLINE
        if proven and landed and not attempt.provider_reference:
            return call_off(work)
        return self._wonder(work, attempt, answer, now)

    def _go_on(self, work: Work, attempt: Attempt) -> Plan:
        capabilities = self._capabilities[attempt.provider]
        # INTENDED means that nothing has left yet, so it can simply be sent.
        unsent = attempt.state is AttemptState.INTENDED
        asks = capabilities.look_up is not LookUp.NONE and not unsent
        if not asks and not capabilities.may_send_again(attempt, work.claimed_at):
            return rest(work, hold(work, "outcome_unknown"))
        return Plan(
            change=replace(release(work), keeps_lease=True),
            call=Call.LOOK_UP if asks else Call.SEND,
            work=work,
        )

    def _is_spent(self, attempt: Attempt) -> bool:
        """Whether sending the key again is of no more use: an error is its answer for good."""
        return (
            self._capabilities[attempt.provider].caches_errors
            and not attempt.provider_reference
            and attempt.inconclusive_count >= CACHED_ERRORS
            and attempt.failure is not None
            and attempt.failure.code == FAULT
        )

    def _is_worn_out(self, attempt: Attempt, now: datetime) -> bool:
        """Whether the key is spent, and the provider certainly has nothing under it."""
        capabilities = self._capabilities[attempt.provider]
        return self._is_spent(attempt) and capabilities.absence_is_evidence(attempt, now)

    def _not_sent(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """Nothing left: the next provider, or the same key a little later."""
        following = provider_after(work.payment, attempt.step, attempt.provider)
        if following is not None:
            return fail_over(work, attempt, answer, following, now)
        change = replace(
            release(work, due_in=self._retry_in(attempt, answer)),
            attempt=replace(
                attempt.answered(AttemptState.UNKNOWN, answer), state=AttemptState.INTENDED
            ),
        )
        if attempt.inconclusive_count:
            return change
        payment, event = work.payment.noted(
            actor="worker", cause=f"{attempt.step}_not_sent", **evidence_of(attempt, answer)
        )
        return replace(change, payment=payment, events=(event,))

    def _retry_in(self, attempt: Attempt, answer: Answer) -> timedelta:
        # Where the time is known payments are only spread beyond it, so that not all come at once.
        longest = LONGEST_SPREAD if answer.retry_after else LONGEST_RETRY
        delay: timedelta = min(FIRST_RETRY * 2 ** min(attempt.inconclusive_count, 10), longest)
        return answer.retry_after + delay * (0.5 + self._spread() / 2)

    def _accept(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        age = now - attempt.sent_at if attempt.sent_at else FIRST_POLL
        due_in = min(max(age / 4, FIRST_POLL), LONGEST_POLL)
        used = heard(work, attempt)
        if attempt.state is AttemptState.ACCEPTED:
            return release(work, due_in=due_in, closed_news=used)
        payment, event = work.payment.noted(
            actor=answer.actor, cause=f"{attempt.step}_accepted", **evidence_of(attempt, answer)
        )
        if attempt.step is Step.PAYOUT:
            payment = replace(payment, sent_at=payment.sent_at or now)
        return replace(
            release(work, due_in=due_in, closed_news=used),
            payment=payment,
            attempt=attempt.answered(AttemptState.ACCEPTED, answer),
            events=(event,),
        )

    def _wonder(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """UNKNOWN, or ABSENT where nothing may be sent: ask again later, or call a person."""
        if answer.code in MISMATCHES:
            return mismatch(work, attempt, answer)
        capabilities = self._capabilities[attempt.provider]
        if self._is_denied(attempt, answer, now):
            return hold(work, "provider_contradicts_itself", **evidence_of(attempt, answer))
        if not capabilities.may_send_again(attempt, now):
            return hold(work, "outcome_unknown")
        change = replace(
            release(work, due_in=self._retry_in(attempt, answer)),
            attempt=attempt.unanswered(answer, first_send=work.first_send),
        )
        if attempt.state is AttemptState.UNKNOWN:
            return change
        payment, event = work.payment.noted(
            actor=answer.actor, cause=f"{attempt.step}_unknown", **evidence_of(attempt, answer)
        )
        return replace(change, payment=payment, events=(event,))

    def _is_denied(self, attempt: Attempt, answer: Answer, now: datetime) -> bool:
        """Whether the provider, asked late or often enough, does not know an id that it gave us:
        the attempt's own, or that of the collection that a refund names."""
        if attempt.step is Step.REFUND and answer.code == DENIAL:
            return attempt.inconclusive_count >= CACHED_ERRORS
        certain = self._capabilities[attempt.provider].absence_is_evidence(attempt, now)
        return certain and answer.denies(attempt)

    def _succeed(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        if answer.is_a_persons or answer.amount in (None, attempt.amount):
            change = succeed(work, attempt, answer, now)
            if change.payment.state is not State.COMPLETED:
                return change
            window = self._capabilities[attempt.provider].success_final_after
            return replace(change, due_in=window or None)
        return mismatch(work, attempt, answer)
