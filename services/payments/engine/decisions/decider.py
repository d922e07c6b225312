"""The move that is due, decided by the recorded states, by the declarations of each provider, and
by nothing else. Pure: the worker carries the decisions out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions import before_send, chargebacks, recovered, table
from services.payments.engine.decisions.cancel_window import as_cancelled, rest_in_window
from services.payments.engine.decisions.case import Case, Situation, said_of_key
from services.payments.engine.decisions.disputes import confirm_by_event, disputed
from services.payments.engine.decisions.facts import Call, Change, ClaimAnswers, Plan, Work
from services.payments.engine.decisions.inbox_events import (
    evidence,
    ignored,
    named_by_event,
    outdated,
    reports_failure,
)
from services.payments.engine.decisions.late_funds import reprice
from services.payments.engine.decisions.late_success import refund_again, unproven, withdraw
from services.payments.engine.decisions.moves import begin
from services.payments.engine.decisions.recounted import unanswered
from services.payments.engine.decisions.refunds import (
    REVERSED,
    intend_refund,
    still_counted,
    with_refunds,
)
from services.payments.engine.decisions.returns_and_refunds import (
    begin_refund,
    cancel_or_expire,
    is_cancelled,
    is_refund_due,
    is_untouched,
    refund_on_request,
    refund_the_rest,
    return_refund,
    wait_for_the_rest,
)
from services.payments.engine.decisions.suspense import with_suspense
from services.payments.engine.decisions.unknowns import ENDED_BY_OUTCOME, is_refused, is_spent
from services.payments.engine.decisions.waiting import hold, live, release, rest
from services.payments.engine.decisions.watched import final_in
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import (
    OVER,
    Attempt,
    AttemptState,
    Capabilities,
    LookUp,
    Step,
    intend,
)
from services.payments.model.causes import Cause
from services.payments.model.dispute import money_claimed
from services.payments.model.holds import HoldReason
from services.payments.model.payment import CORRECTABLE, ENDED, UNCOLLECTED, State
from services.payments.model.progress import STEP_OF_STATE
from services.payments.model.quote import RateTrail
from services.payments.model.refund import open_refund
from services.payments.model.timing import SENDS_MAX
from services.shared.errors import DomainError

# Where the intent of a step leads, for the steps whose first attempt moves the payment.
BEGINS: Mapping[State, State] = {
    State.CREATED: State.COLLECTING,
    State.CONVERTED: State.PAYING_OUT,
}
# Nothing is left to do now, and what has succeeded may still come back.
_WATCHED = ENDED | {State.COMPLETED, State.PARTLY_REFUNDED}


class Decider:
    """Decides by the states in the database and by the declarations of each provider."""

    def __init__(
        self, capabilities: Mapping[str, Capabilities], spread: Callable[[], float]
    ) -> None:
        """Spread gives numbers in [0, 1) that keep retries of many payments apart."""
        self._capabilities = capabilities
        self._spread = spread

    def plan(self, work: Work) -> Plan:
        """The next move of a claimed payment."""
        if work.claims:
            if self.claims_to_ask(work):
                return _ask(work, Call.LOOK_UP_CLAIMS)
            return rest(work, self.note_claims(work, chargebacks.NO_ANSWERS, work.claimed_at))
        plan = self._plan(work)
        if plan.call is Call.SEND or plan.work.to_send is not None:
            plan = _stopped(plan, work) or plan
        return replace(plan, change=with_refunds(with_suspense(work, plan.change)))

    def _plan(self, work: Work) -> Plan:
        against = disputed(work)
        if against is not None:
            return self._ask_about(against)
        if chargebacks.is_over(work.payment):
            return rest(work, chargebacks.go_on(work))
        if work.payment.hold_reason is not None:
            return self._while_held(work)
        stale = outdated(work)
        work = replace(work, inbox=tuple(event for event in work.inbox if event not in stale))
        plan = before_send.ask_first(self._rested(work), self._capabilities)
        change = plan.change
        return replace(
            plan,
            change=replace(change, closed_events=(*change.closed_events, *ignored(work, stale))),
        )

    def _ask_about(self, work: Work) -> Plan:
        """An event states a success against our record: its provider is asked before anything else
        is done, where it can be asked."""
        capabilities = self._capabilities.get(live(work).provider)
        if capabilities is None or capabilities.look_up is LookUp.NONE:
            case = self._case(work, Answer(outcome=Outcome.UNKNOWN), work.claimed_at)
            recounted = case.situation() is Situation.RECOUNTED
            return rest(work, (unanswered if recounted else confirm_by_event)(case))
        return _ask(work)

    def _while_held(self, work: Work) -> Plan:
        """Events stay in the inbox until the hold ends; but a hold that waits for an outcome alone
        ends with it, and money that has moved is posted all the same."""
        attempt, reason = work.attempt, work.payment.hold_reason
        if attempt is not None and attempt.state is AttemptState.SUCCEEDED:
            return self._while_held_after_success(work, attempt)
        watches = reason == HoldReason.AMOUNT_MISMATCH
        waits = watches or reason in ENDED_BY_OUTCOME
        if not waits or attempt is None or not attempt.is_live:
            return rest(work, release(work))
        capabilities = self._capabilities.get(attempt.provider)
        if capabilities is None:
            return rest(work, release(work))
        answer = evidence(work, attempt, capabilities)
        if answer is not None and not watches:
            return self._settled(work, answer)
        if capabilities.look_up is LookUp.NONE:
            return rest(work, release(work))
        return _ask(replace(work, attempt=named_by_event(work, attempt)))

    def _while_held_after_success(self, work: Work, attempt: Attempt) -> Plan:
        """The provider is asked whether the money has come back, where an event says so."""
        capabilities = self._capabilities.get(attempt.provider)
        can_say = capabilities is not None and capabilities.look_up is not LookUp.NONE
        if can_say and reports_failure(work, attempt):
            return _ask(work)
        return rest(work, release(work))

    def _rested(self, work: Work) -> Plan:
        """The next move; a send waits for the end of the payment's rest."""
        plan = self._next(work)
        left = (work.payment.rests_until or work.claimed_at) - work.claimed_at
        if plan.call is not Call.SEND or left <= timedelta(0):
            return plan
        return rest(work, release(work, due_in=left))

    def _next(self, work: Work) -> Plan:
        payment = work.payment
        late = work.succeeded_late(Step.COLLECTION) if payment.state in UNCOLLECTED else None
        if late is not None:
            return self._ask_late(work, late)
        if is_refund_due(work):
            claim = money_claimed(payment)
            return rest(work, chargebacks.held(work, claim) if claim else refund_the_rest(work))
        if payment.state in _WATCHED:
            return self._watch_over(work)
        if payment.state in CORRECTABLE:
            return self._wait_for_merchant(work)
        if work.payment.is_unwanted(work.claimed_at) and is_untouched(work):
            return rest(work, cancel_or_expire(work))
        return self._forward(work)

    def _wait_for_merchant(self, work: Work) -> Plan:
        """The merchant decides about the money, until the deadline. A payout that has succeeded
        late is asked about; only a payment whose payout was refused, and not returned, can count
        it."""
        late = work.succeeded_late(Step.PAYOUT) or unproven(work)
        if late is not None and (work.payment.state is State.ACTION_REQUIRED or late.moved is None):
            return self._ask_late(work, late)
        if is_cancelled(work.payment) and money_claimed(work.payment) is None:
            return rest(work, refund_on_request(work, None))
        return rest(work, release(work, closed_events=ignored(work, work.inbox)))

    def follow(self, work: Work, change: Change) -> Plan | None:
        """The payout that is due with this change, its intent recorded in the same transaction;
        None where none is. Only for a payment that nothing else has happened to since its claim."""
        payment = change.payment
        # An event that is not closed yet comes first.
        pending = len(work.inbox) > len(change.closed_events) or work.claims
        if payment.state is not State.CONVERTED or change.due_in != timedelta(0) or pending:
            return None
        plan = self._forward(replace(work, payment=payment, attempt=None, inbox=(), earlier=()))
        if plan.call is not Call.SEND or _stopped(plan, work) is not None:
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
            cause = Cause.CANCELLED_BEFORE_PAYOUT
            work = replace(work, payment=as_cancelled(payment))
            return rest(work, begin_refund(release(work), actor="merchant", cause=cause))
        if payment.state is State.FUNDED:
            return _ask(work, Call.PRICE)
        if payment.state is State.REFUNDING and work.attempt is None:
            return _begin_refund(work)
        left = rest_in_window(payment, work.claimed_at)
        if payment.state is State.CONVERTED and work.attempt is None and left:
            return rest(work, release(work, due_in=left))
        if work.attempt is None:
            leads_to = BEGINS.get(payment.state, payment.state)
            return begin(work, intend(payment, STEP_OF_STATE[payment.state], 1), leads_to)
        return self._continue(work, work.attempt)

    def _continue(self, work: Work, attempt: Attempt) -> Plan:
        """The next move of a step that has begun."""
        late = work.succeeded_late(attempt.step)
        if late is not None and (attempt.state is AttemptState.INTENDED or attempt.state in OVER):
            return self._ask_late(work, late)
        capabilities = self._capabilities.get(attempt.provider)
        if capabilities is None:
            return rest(work, hold(work, HoldReason.PROVIDER_UNKNOWN, provider=attempt.provider))
        if attempt.step is Step.REFUND and not attempt.is_live:
            return _after_refund(work, attempt)
        if attempt.state in OVER:
            following = intend(work.payment, attempt.step, attempt.number + 1)
            begun = replace(work, earlier=(*work.earlier, attempt))
            return begin(begun, following, work.payment.state)
        answer = evidence(work, attempt, capabilities)
        if answer is not None:
            return self._settled(work, answer)
        named = named_by_event(work, attempt)
        return self._go_on(replace(work, attempt=named), named)

    def _ask_late(self, work: Work, late: Attempt) -> Plan:
        """After the hold, the provider's answer decides about the late success."""
        if late.provider not in self._capabilities:
            return rest(work, hold(work, HoldReason.PROVIDER_UNKNOWN, provider=late.provider))
        if work.attempt is not None and work.attempt.state is AttemptState.INTENDED:
            return withdraw(work, work.attempt, late)
        others = tuple(a for a in (work.attempt, *work.earlier) if a is not None and a != late)
        return _ask(replace(work, attempt=late, earlier=others))

    def _watch_over(self, work: Work) -> Plan:
        """A success is asked about when an event says that it failed, and once at the end of the
        time in which the money may still come back; and any that only an event has stated, or
        that is a refund of what is owed."""
        back, attempt = still_counted(work), work.attempt
        late = unproven(work) or refund_again(work)
        if back is not None:
            answer = Answer(outcome=Outcome.FAILED, failure=REVERSED)
            return rest(work, return_refund(work, back, answer))
        if late is not None:
            return self._ask_late(work, late)
        capabilities = self._capabilities.get(attempt.provider) if attempt else None
        if not attempt or not capabilities or attempt.state is not AttemptState.SUCCEEDED:
            return rest(work, release(work, closed_events=ignored(work, work.inbox)))
        # An event may be from before the success, so it is never more than a reason to ask.
        doubted = reports_failure(work, attempt)
        left = final_in(work.payment, capabilities, work.claimed_at)
        if doubted or left == timedelta(0):
            return _ask(work)
        return rest(work, release(work, due_in=left, closed_events=ignored(work, work.inbox)))

    def after_look_up(self, work: Work, answer: Answer) -> Plan | None:
        """The next question or send after a look-up; None where its answer is to be settled."""
        if work.to_send is not None:
            capabilities = self._capabilities.get(live(work).provider)
            plan = before_send.after_answer(work, capabilities, answer)
            if plan is not None and plan.call is Call.SEND:
                return _stopped(plan, work) or plan
            return plan
        if not self._may_send_after(work, answer):
            return None
        return before_send.ask_first(_ask(work, Call.SEND), self._capabilities)

    def _may_send_after(self, work: Work, answer: Answer) -> bool:
        """Whether the same key may be sent after this look-up: absent, and the key still counts.

        A provider that once gave us its id and now denies it contradicts itself: a person decides,
        and nothing is sent. A recipient that was refused under the key is refused again.
        """
        attempt = live(work)
        capabilities = self._capabilities.get(attempt.provider)
        return (
            capabilities is not None
            and answer.outcome is Outcome.ABSENT
            and attempt.is_live
            and work.payment.hold_reason is None
            and not attempt.provider_reference
            and not work.payment.is_unwanted(work.claimed_at)
            and not is_spent(attempt, capabilities)
            and not is_refused(attempt, capabilities)
            and work.succeeded_late(attempt.step) is None
            and attempt.sends < SENDS_MAX
            and capabilities.may_send_again(attempt, work.claimed_at)
        )

    def claims_to_ask(self, work: Work) -> frozenset[tuple[str, str]]:
        """The claims that their providers are asked about, each by provider and reference."""
        return chargebacks.to_ask(work, self._capabilities)

    def note_claims(self, work: Work, answers: ClaimAnswers, now: datetime) -> Change:
        """The change for the answers about claims."""
        return chargebacks.record(work, self._capabilities, now, answers)

    def price(self, work: Work, trail: RateTrail | DomainError, now: datetime) -> Change:
        """The change for money that came after its quote had expired, at the new rate."""
        return reprice(work, trail, now, self._capabilities)

    def settle(self, work: Work, answer: Answer, now: datetime) -> Change:
        """The change to record for an answer, with any outcome."""
        said = said_of_key(work, answer)
        return with_refunds(with_suspense(work, table.settle(self._case(work, said, now))))

    def _case(self, work: Work, answer: Answer, now: datetime) -> Case:
        return Case(
            work=work,
            answer=answer,
            now=now,
            providers=self._capabilities,
            spread=self._spread,
        )

    def _settled(self, work: Work, answer: Answer) -> Plan:
        """The plan that takes an event's statement for the answer."""
        return rest(work, table.settle(self._case(work, answer, work.claimed_at)))

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


def _stopped(plan: Plan, work: Work) -> Plan | None:
    """A plan that holds the payment in place of a first send; None where the plan may go on."""
    return chargebacks.stopped(plan, work) or recovered.stopped(plan, work)


def _after_refund(work: Work, attempt: Attempt) -> Plan:
    """The next attempt of the refund that is under way; or, of a payment from before parts had a
    state of their own, the wait for its merchant."""
    if attempt.state is AttemptState.SUCCEEDED and open_refund(work.payment) is None:
        return rest(work, wait_for_the_rest(work))
    return _begin_refund(work)


def _begin_refund(work: Work) -> Plan:
    """The next attempt of the refund that is under way."""
    payment, attempt = intend_refund(work.payment, work.attempt)
    plan = begin(replace(work, payment=payment), attempt, payment.state)
    return replace(plan, change=replace(plan.change, before=work.payment))


def _ask(work: Work, call: Call = Call.LOOK_UP) -> Plan:
    """A plan that writes nothing before it asks."""
    return Plan(change=replace(release(work), keeps_lease=True), call=call, work=work)
