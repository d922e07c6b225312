"""Which move is due, decided by the recorded states, by what each provider has declared of itself,
and by nothing else. Pure: the worker carries the decisions out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.domain.attempt import (
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
from services.payments.domain.payment import State
from services.payments.steps.facts import Call, Change, ClosedNews, News, NewsFate, Plan, Work
from services.payments.steps.moves import (
    begin,
    contradicts_a_failure,
    evidence_of,
    fail,
    fail_over,
    hold,
    ignored,
    is_about,
    live,
    release,
    rest,
    retire,
    succeed,
)

# An unknown outcome is looked into again after 0.5 s, 1 s, 2 s … and then every minute.
FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=60)
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
    State.REFUNDING: Step.REFUND,
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
        payment = work.payment
        step = STEP_OF_STATE.get(payment.state)
        if payment.hold_reason is not None:
            # What is heard meanwhile stays in the inbox for whoever ends the hold.
            return rest(work, release(work))
        if step is None:
            return rest(work, release(work, closed_news=ignored(work.news)))
        if work.attempt is None:
            leads_to = BEGINS.get(payment.state, payment.state)
            return begin(work, intend(payment, step, 1), leads_to)
        return self._continue(work, work.attempt)

    def _continue(self, work: Work, attempt: Attempt) -> Plan:
        """The next move of a step that has begun."""
        payment, step = work.payment, attempt.step
        if attempt.provider not in self._capabilities:
            return rest(work, hold(work, "provider_unknown"))
        if attempt.state is AttemptState.FAILED:
            return begin(work, intend(payment, step, attempt.number + 1), payment.state)
        if contradicts_a_failure(work, attempt):
            return rest(work, hold(work, "late_success"))
        evidence = self._evidence(work, attempt)
        if evidence is None:
            return self._go_on(work, attempt)
        fact, others = evidence
        change = self.settle(replace(work, news=others), fact.answer, work.claimed_at)
        applied = ClosedNews(news=fact, fate=NewsFate.APPLIED)
        return rest(work, replace(change, closed_news=(*change.closed_news, applied)))

    def may_send_after(self, work: Work, answer: Answer) -> bool:
        """Whether the same key may be sent after this look-up: absent, and the key still counts.

        A provider that once gave us its id and now denies it contradicts itself; that is for a
        person to look at, never a reason to send.
        """
        attempt = live(work)
        return (
            answer.outcome is Outcome.ABSENT
            and not attempt.provider_reference
            and not self._is_worn_out(attempt, work.claimed_at)
            and self._capabilities[attempt.provider].may_send_again(attempt, work.claimed_at)
        )

    def settle(self, work: Work, answer: Answer, now: datetime) -> Change:
        """What an answer means: the change to record, whatever the outcome."""
        attempt = live(work)
        capabilities = self._capabilities[attempt.provider]
        outcome = answer.outcome
        if outcome is Outcome.SUCCEEDED:
            return self._succeed(work, attempt, answer)
        if outcome is Outcome.PENDING:
            return self._accept(work, attempt, answer, now)
        definitive = answer.is_a_persons or capabilities.is_definitive(answer.failure)
        if outcome is Outcome.FAILED and definitive:
            refunds = self._capabilities.get(work.payment.onramp)
            refundable = refunds is not None and refunds.refunds
            return fail(work, attempt, answer, now, refundable=refundable)
        if outcome is Outcome.NOT_SENT and work.first_send:
            return self._not_sent(work, attempt, answer, now)
        if outcome is Outcome.ABSENT and self._is_worn_out(attempt, now):
            return retire(work, attempt, now)
        return self._wonder(work, attempt, answer, now)

    def _go_on(self, work: Work, attempt: Attempt) -> Plan:
        capabilities = self._capabilities[attempt.provider]
        # INTENDED means that nothing has left yet, so it can simply be sent.
        unsent = attempt.state is AttemptState.INTENDED
        asks = capabilities.look_up is not LookUp.NONE and not unsent
        if not asks and not capabilities.may_send_again(attempt, work.claimed_at):
            return rest(work, hold(work, "outcome_unknown"))
        # A look-up is all that a hint asks for.
        heeded = tuple(news for news in work.news if asks and news.step is attempt.step)
        change = replace(
            release(work),
            closed_news=tuple(ClosedNews(news=news, fate=NewsFate.APPLIED) for news in heeded),
            keeps_lease=True,
        )
        return Plan(
            change=change,
            call=Call.LOOK_UP if asks else Call.SEND,
            work=replace(work, news=tuple(news for news in work.news if news not in heeded)),
        )

    def _evidence(self, work: Work, attempt: Attempt) -> tuple[News, tuple[News, ...]] | None:
        """The first event that settles the step by itself, and the others."""
        # An event can be evidence only about what the provider is known to have.
        if attempt.state not in (AttemptState.ACCEPTED, AttemptState.UNKNOWN, AttemptState.SENT):
            return None
        if not self._capabilities[attempt.provider].event_is_evidence:
            return None
        for news in work.news:
            decides = news.answer.outcome in (Outcome.SUCCEEDED, Outcome.FAILED)
            if decides and news.provider == attempt.provider and is_about(news, attempt):
                return news, tuple(other for other in work.news if other is not news)
        return None

    def _is_worn_out(self, attempt: Attempt, now: datetime) -> bool:
        """Whether the key is of no more use: its cached error is the provider's answer for good,
        and the provider has nothing under it."""
        capabilities = self._capabilities[attempt.provider]
        return (
            capabilities.caches_errors
            and not attempt.provider_reference
            and attempt.inconclusive_count >= CACHED_ERRORS
            and capabilities.absence_is_evidence(attempt, now)
        )

    def _not_sent(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """Nothing left: the next provider, or the same key a little later."""
        following = provider_after(work.payment, attempt.step, attempt.provider)
        if following is not None:
            return fail_over(work, attempt, answer, following, now)
        change = replace(
            release(work, due_in=self._retry_in(attempt)),
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

    def _retry_in(self, attempt: Attempt) -> timedelta:
        delay: timedelta = min(
            FIRST_RETRY * 2 ** min(attempt.inconclusive_count, 10), LONGEST_RETRY
        )
        return delay * (0.5 + self._spread() / 2)

    def _accept(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        age = now - attempt.sent_at if attempt.sent_at else FIRST_POLL
        due_in = min(max(age / 4, FIRST_POLL), LONGEST_POLL)
        if attempt.state is AttemptState.ACCEPTED:
            return release(work, due_in=due_in)
        payment, event = work.payment.noted(
            actor=answer.actor, cause=f"{attempt.step}_accepted", **evidence_of(attempt, answer)
        )
        if attempt.step is Step.PAYOUT:
            payment = replace(payment, sent_at=payment.sent_at or now)
        return replace(
            release(work, due_in=due_in),
            payment=payment,
            attempt=attempt.answered(AttemptState.ACCEPTED, answer),
            events=(event,),
        )

    def _wonder(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """UNKNOWN, or ABSENT where nothing may be sent: ask again later, or call a person."""
        if answer.outcome is Outcome.ABSENT and attempt.provider_reference:
            return hold(work, "provider_contradicts_itself")
        if not self._capabilities[attempt.provider].may_send_again(attempt, now):
            return hold(work, "outcome_unknown")
        change = replace(
            release(work, due_in=self._retry_in(attempt)),
            attempt=attempt.answered(AttemptState.UNKNOWN, answer),
        )
        if attempt.state is AttemptState.UNKNOWN:
            return change
        payment, event = work.payment.noted(
            actor=answer.actor, cause=f"{attempt.step}_unknown", **evidence_of(attempt, answer)
        )
        return replace(change, payment=payment, events=(event,))

    def _succeed(self, work: Work, attempt: Attempt, answer: Answer) -> Change:
        if answer.amount in (None, attempt.amount):
            return succeed(work, attempt, answer)
        change = hold(
            work,
            "amount_mismatch",
            expected=f"{attempt.amount} {attempt.amount.currency}",
            stated=f"{answer.amount} {answer.amount.currency}" if answer.amount else "",
        )
        return replace(change, attempt=attempt.answered(AttemptState.UNKNOWN, answer))
