"""Which move is due, decided by the recorded states, by what each provider has declared of itself,
and by nothing else. Pure: the worker carries the decisions out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions import before_refund
from services.payments.engine.decisions.disputes import disputed, settle_dispute, take_at_its_word
from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.decisions.late_funds import price_anew
from services.payments.engine.decisions.late_success import (
    doubled,
    settle_beside,
    settle_late,
    withdraw,
)
from services.payments.engine.decisions.moves import begin, succeed
from services.payments.engine.decisions.news import (
    closed,
    evidence,
    ignored,
    named_by_event,
    or_what_was_heard,
    outdated,
    takes_back,
)
from services.payments.engine.decisions.suspense import mismatch, watch, with_suspense
from services.payments.engine.decisions.unknowns import ENDED_BY_OUTCOME, Unknowns
from services.payments.engine.decisions.waiting import (
    amounts_of,
    evidence_of,
    hold,
    live,
    release,
    rest,
    since_claim,
    without_hold,
)
from services.payments.engine.decisions.ways_back import (
    back_to_the_payer,
    call_off,
    come_back,
    is_due_back,
    is_untouched,
    refund_the_rest,
)
from services.payments.model.attempt import (
    MISMATCHES,
    Answer,
    Attempt,
    AttemptState,
    Capabilities,
    LookUp,
    Outcome,
    Step,
    intend,
)
from services.payments.model.holds import HoldReason
from services.payments.model.payment import ENDED, UNCOLLECTED, State
from services.payments.model.quote import RateTrail
from services.payments.model.timing import HELD_POLL, LONGEST_RETRY, SEND_DEADLINE, SENDS_MAX
from services.shared.errors import DomainError
from services.shared.money import Money

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
        self._unknowns = Unknowns(capabilities, spread)

    def plan(self, work: Work) -> Plan:
        """The next move of a claimed payment."""
        plan = self._plan(work)
        return replace(plan, change=with_suspense(work, plan.change))

    def _plan(self, work: Work) -> Plan:
        against = disputed(work)
        if against is not None:
            return self._ask_about(against)
        if work.payment.hold_reason is not None:
            return self._while_held(work)
        stale = outdated(work)
        work = replace(work, news=tuple(news for news in work.news if news not in stale))
        plan = before_refund.ask_first(self._next(work), self._capabilities)
        change = plan.change
        return replace(
            plan,
            change=replace(change, closed_news=(*change.closed_news, *ignored(work, stale))),
        )

    def _ask_about(self, work: Work) -> Plan:
        """An event tells of a success against our record: its provider is asked before anything
        else is done, where it can be."""
        capabilities = self._capabilities.get(live(work).provider)
        if capabilities is None or capabilities.look_up is LookUp.NONE:
            return rest(work, take_at_its_word(work))
        return _ask(work)

    def _while_held(self, work: Work) -> Plan:
        """What events say meanwhile stays in the inbox for whoever ends the hold, but a hold that
        waits for nothing but an outcome ends with it, and what has moved is posted all the same."""
        attempt = work.attempt
        watches = work.payment.hold_reason == HoldReason.AMOUNT_MISMATCH
        waits = watches or work.payment.hold_reason in ENDED_BY_OUTCOME
        if not waits or attempt is None or not attempt.is_live:
            return rest(work, release(work))
        capabilities = self._capabilities.get(attempt.provider)
        if capabilities is None:
            return rest(work, release(work))
        answer = evidence(work, attempt, capabilities)
        if answer is not None and not watches:
            return rest(work, self._settle(work, answer, work.claimed_at))
        if capabilities.look_up is LookUp.NONE:
            return rest(work, release(work))
        return _ask(replace(work, attempt=named_by_event(work, attempt)))

    def _next(self, work: Work) -> Plan:
        payment = work.payment
        late = work.succeeded_late(Step.COLLECTION) if payment.state in UNCOLLECTED else None
        if late is not None:
            return self._ask_late(work, late)
        if payment.state is State.COMPLETED or payment.state in ENDED:
            return self._watch_over(work)
        if is_due_back(work):
            return rest(work, refund_the_rest(work))
        if payment.state is State.RETURNED:
            # What becomes of the money is for the merchant to say, until the deadline.
            return rest(work, release(work, closed_news=ignored(work, work.news)))
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
            return _ask(work, Call.PRICE)
        if work.attempt is None:
            leads_to = BEGINS.get(payment.state, payment.state)
            return begin(work, intend(payment, STEP_OF_STATE[payment.state], 1), leads_to)
        return self._continue(work, work.attempt)

    def _continue(self, work: Work, attempt: Attempt) -> Plan:
        """The next move of a step that has begun."""
        late = work.succeeded_late(attempt.step)
        if late is not None and attempt.state in (AttemptState.INTENDED, AttemptState.FAILED):
            return self._ask_late(work, late)
        capabilities = self._capabilities.get(attempt.provider)
        if capabilities is None:
            return rest(work, hold(work, HoldReason.PROVIDER_UNKNOWN, provider=attempt.provider))
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

    def _ask_late(self, work: Work, late: Attempt) -> Plan:
        """Whoever has ended the hold leaves it to the provider's word."""
        if late.provider not in self._capabilities:
            return rest(work, hold(work, HoldReason.PROVIDER_UNKNOWN, provider=late.provider))
        if work.attempt is not None and work.attempt.state is AttemptState.INTENDED:
            return withdraw(work, work.attempt, late)
        others = tuple(a for a in (work.attempt, *work.earlier) if a is not None and a != late)
        return _ask(replace(work, attempt=late, earlier=others))

    def _watch_over(self, work: Work) -> Plan:
        """What has succeeded is asked about when it is said to have failed, and once at the end of
        the time in which it may still come back."""
        attempt = work.attempt
        capabilities = self._capabilities.get(attempt.provider) if attempt else None
        if not attempt or not capabilities or attempt.state is not AttemptState.SUCCEEDED:
            return rest(work, release(work, closed_news=ignored(work, work.news)))
        # An event may be from before the success, so it is never more than a reason to ask.
        doubted = takes_back(work, attempt)
        final_in = self._final_in(work, attempt)
        if doubted or final_in == timedelta(0):
            return _ask(work)
        return rest(work, release(work, due_in=final_in, closed_news=ignored(work, work.news)))

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

    def after_look_up(self, work: Work, answer: Answer) -> Plan | None:
        """What to ask or send next after a look-up; None where its answer is to be settled."""
        if work.refund is not None:
            capabilities = self._capabilities.get(live(work).provider)
            return before_refund.after_answer(work, capabilities, answer)
        if not self._may_send_after(work, answer):
            return None
        return _ask(work, Call.SEND)

    def _may_send_after(self, work: Work, answer: Answer) -> bool:
        """Whether the same key may be sent after this look-up: absent, and the key still counts.

        A provider that once gave us its id and now denies it contradicts itself; that is for a
        person to look at, never a reason to send.
        """
        attempt = live(work)
        return (
            answer.outcome is Outcome.ABSENT
            and attempt.is_live
            and work.payment.hold_reason is None
            and not attempt.provider_reference
            and not self._is_unwanted(work, work.claimed_at)
            and not self._unknowns.is_spent(attempt)
            and work.succeeded_late(attempt.step) is None
            and attempt.sends < SENDS_MAX
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
        if work.disputed is not None:
            return settle_dispute(work, self._capabilities.get(attempt.provider), answer, now)
        if work.refund is not None:
            known = self._capabilities.get(attempt.provider)
            return before_refund.settle(work, known, answer, now)
        capabilities = self._capabilities[attempt.provider]
        answer = or_what_was_heard(work, attempt, capabilities, answer)
        definitive = capabilities.says_failed(answer)
        if work.payment.hold_reason is not None:
            return self._settle_held(work, answer, now, definitive=definitive)
        if attempt.is_live:
            return self._settle_open(work, attempt, answer, now, definitive=definitive)
        if attempt.state is AttemptState.SUCCEEDED:
            return self._watched(work, attempt, answer, definitive=definitive)
        return settle_late(work, attempt, answer, now, capabilities)

    def _settle_open(
        self, work: Work, attempt: Attempt, answer: Answer, now: datetime, *, definitive: bool
    ) -> Change:
        if answer.outcome is Outcome.SUCCEEDED:
            return self._succeed(work, attempt, answer, now)
        if answer.outcome is Outcome.PENDING:
            return self._unknowns.accept(work, attempt, answer, now)
        if work.succeeded_late(attempt.step) is not None:
            return settle_beside(work, attempt, answer, now, self._unknowns)
        if definitive:
            return self._unknowns.fail(work, attempt, answer, now)
        return self._settle_nothing(work, attempt, answer, now)

    def _settle_held(
        self, work: Work, answer: Answer, now: datetime, *, definitive: bool
    ) -> Change:
        """The outcome that a hold has waited for ends it; no other answer does."""
        if work.payment.hold_reason == HoldReason.AMOUNT_MISMATCH:
            return watch(work, live(work), answer, definitive=definitive)
        if answer.outcome is not Outcome.SUCCEEDED and not definitive:
            return release(work, due_in=HELD_POLL)
        ended, event = without_hold(work, actor=answer.actor, cause="hold_ended_by_outcome")
        return since_claim(work, self._settle(ended, answer, now), event)

    def _settle_nothing(
        self, work: Work, attempt: Attempt, answer: Answer, now: datetime
    ) -> Change:
        """What it means that nothing was sent, found or learned."""
        if answer.outcome is Outcome.NOT_SENT and work.first_send:
            return self._unknowns.not_sent(work, attempt, answer, now)
        if answer.outcome is Outcome.ABSENT and self._is_unwanted(work, now):
            return self._let_go(work, attempt, answer, now)
        if answer.outcome is Outcome.ABSENT:
            return self._unknowns.absent(work, attempt, answer, now)
        return self._unknowns.unknown(work, attempt, answer, now)

    def _watched(self, work: Work, attempt: Attempt, answer: Answer, *, definitive: bool) -> Change:
        """What an answer means for an attempt that had succeeded."""
        facts = evidence_of(attempt, answer)
        if answer.denies(attempt) or answer.outcome is Outcome.ABSENT:
            return hold(work, HoldReason.PROVIDER_CONTRADICTS, **facts)
        if answer.code in MISMATCHES:
            facts |= amounts_of(attempt, answer)
            change = hold(work, HoldReason.AMOUNT_MISMATCH, **facts)
            moved = answer.amount or attempt.moved
            return replace(change, attempt=attempt.known_to_have_moved(moved))
        if definitive and work.payment.state is State.COMPLETED:
            return come_back(work, attempt, answer)
        if definitive:
            # A refund that did not reach the payer after all: how to pay it is for a person to say.
            change = hold(work, HoldReason.REFUND_REVERSED, **facts)
            back = attempt.known_to_have_moved(Money(0, attempt.amount.currency))
            return replace(change, attempt=back, closed_news=closed(work, attempt))
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
        return self._unknowns.unknown(work, attempt, answer, now)

    def _go_on(self, work: Work, attempt: Attempt) -> Plan:
        capabilities = self._capabilities[attempt.provider]
        # INTENDED means that nothing has left yet, so it can simply be sent.
        unsent = attempt.state is AttemptState.INTENDED
        asks = capabilities.look_up is not LookUp.NONE and not unsent
        may_send = (
            attempt.sends < SENDS_MAX
            and capabilities.may_send_again(attempt, work.claimed_at)
            and work.succeeded_late(attempt.step) is None
        )
        if not asks and not unsent and not may_send:
            change = hold(work, HoldReason.OUTCOME_UNKNOWN, provider=attempt.provider)
            return rest(work, change)
        return _ask(work, Call.LOOK_UP if asks else Call.SEND)

    def _succeed(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        if not answer.is_a_persons and answer.amount not in (None, attempt.amount):
            return mismatch(work, attempt, answer)
        final_after = self._capabilities[attempt.provider].success_final_after
        return doubled(work, succeed(work, attempt, answer, now, final_after))


def _ask(work: Work, call: Call = Call.LOOK_UP) -> Plan:
    """A plan that writes nothing before it asks."""
    return Plan(change=replace(release(work), keeps_lease=True), call=call, work=work)
