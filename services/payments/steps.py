"""What to do next with a payment, and what an answer means for it: pure decisions from recorded
facts. The worker carries them out; the table in domain.payment checks the moves."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from services.payments.domain.attempt import (
    Answer,
    Attempt,
    AttemptState,
    Capabilities,
    Outcome,
    Step,
    intend,
)
from services.payments.domain.ledger import (
    Posting,
    collection_postings,
    exchange_postings,
    payout_postings,
)
from services.payments.domain.payment import Event, Payment, State

# An unknown outcome is looked into again after 0.5 s, 1 s, 2 s … and then every minute.
FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=60)
# A pending operation is asked about when it is a quarter older than at the last time.
FIRST_POLL = timedelta(seconds=1)
LONGEST_POLL = timedelta(seconds=60)

STEP_OF_STATE: Mapping[State, Step] = {
    State.CREATED: Step.COLLECTION,
    State.COLLECTING: Step.COLLECTION,
    State.CONVERTED: Step.PAYOUT,
    State.PAYING_OUT: Step.PAYOUT,
}
# The states in which a step is about to begin, and where its intent leads.
BEGINS: Mapping[State, State] = {
    State.CREATED: State.COLLECTING,
    State.CONVERTED: State.PAYING_OUT,
}


@dataclass(frozen=True, kw_only=True)
class News:
    """A verified webhook event about one of our operations, as the inbox keeps it."""

    provider: str
    event_id: str
    step: Step
    answer: Answer


class NewsFate(StrEnum):
    """What became of an event in the inbox."""

    APPLIED = "APPLIED"
    IGNORED = "IGNORED"


@dataclass(frozen=True, kw_only=True)
class ClosedNews:
    """An event that needs no more attention."""

    news: News
    fate: NewsFate


@dataclass(frozen=True, kw_only=True)
class Work:
    """A claimed payment with all that is known of its present step."""

    payment: Payment
    attempt: Attempt | None
    news: tuple[News, ...]
    lease_token: int
    claimed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one transaction writes about one payment, guarded by its version and the lease."""

    payment: Payment
    expected_version: int
    lease_token: int
    attempt: Attempt | None = None
    events: tuple[Event, ...] = ()
    postings: tuple[Posting, ...] = ()
    closed_news: tuple[ClosedNews, ...] = ()
    # True while the worker goes on with it; otherwise the lease ends with this change.
    keeps_lease: bool = False
    # When the payment is due again; None for never, unless a webhook or a person wakes it.
    due_in: timedelta | None = None


class Call(Enum):
    """What to ask of the provider."""

    SEND = "SEND"
    LOOK_UP = "LOOK_UP"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The change to commit before anything is asked, what to ask then, and the work it leaves."""

    change: Change
    call: Call | None
    work: Work


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
        payment, attempt = work.payment, work.attempt
        step = STEP_OF_STATE.get(payment.state)
        if payment.hold_reason is not None:
            # What is heard meanwhile stays in the inbox for whoever ends the hold.
            return _rest(work, _release(work))
        if step is None:
            return _rest(work, _release(work, closed_news=_ignored(work.news)))
        if payment.state in BEGINS:
            return self._begin(work, step)
        if attempt is None or attempt.provider not in self._capabilities:
            return _rest(work, _hold(work, "provider_unknown"))
        evidence = self._evidence(work, attempt)
        if evidence is not None:
            fact, others = evidence
            change = self.settle(replace(work, news=others), fact.answer, work.claimed_at)
            applied = ClosedNews(news=fact, fate=NewsFate.APPLIED)
            return _rest(work, replace(change, closed_news=(*change.closed_news, applied)))
        return self._go_on(work, attempt)

    def may_send_after(self, work: Work, answer: Answer) -> bool:
        """Whether the same key may be sent after this look-up: absent, and the key still counts.

        A provider that once gave us its id and now denies it contradicts itself; that is for a
        person to look at, never a reason to send.
        """
        attempt = _live(work)
        return (
            answer.outcome is Outcome.ABSENT
            and not attempt.provider_reference
            and self._capabilities[attempt.provider].may_send_again(attempt, work.claimed_at)
        )

    def settle(self, work: Work, answer: Answer, now: datetime) -> Change:
        """What an answer means: the change to record, whatever the outcome."""
        attempt = _live(work)
        if answer.outcome is Outcome.SUCCEEDED:
            if answer.amount is not None and answer.amount != attempt.amount:
                return self._mismatch(work, attempt, answer)
            return _succeed(work, attempt, answer)
        if answer.outcome is Outcome.PENDING:
            return self._accept(work, attempt, answer, now)
        if answer.outcome is Outcome.FAILED:
            return _fail(work, attempt, answer)
        return self._wonder(work, attempt, answer, now)

    def _begin(self, work: Work, step: Step) -> Plan:
        attempt = intend(work.payment, step, 1)
        payment, event = work.payment.moved(
            BEGINS[work.payment.state],
            actor="worker",
            cause=f"{step}_intended",
            provider=attempt.provider,
            key=attempt.key,
        )
        change = replace(
            _release(work), payment=payment, attempt=attempt, events=(event,), keeps_lease=True
        )
        return Plan(
            change=change, call=Call.SEND, work=replace(work, payment=payment, attempt=attempt)
        )

    def _go_on(self, work: Work, attempt: Attempt) -> Plan:
        # INTENDED means that its worker died before anything left, so it can simply be sent.
        unsent = attempt.state is AttemptState.INTENDED
        asks = self._capabilities[attempt.provider].can_look_up and not unsent
        # A look-up is all that a hint asks for.
        heeded = tuple(news for news in work.news if asks and news.step is attempt.step)
        change = replace(
            _release(work),
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
            if news.step is attempt.step and news.provider == attempt.provider and decides:
                return news, tuple(other for other in work.news if other is not news)
        return None

    def _accept(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        age = now - attempt.sent_at if attempt.sent_at else FIRST_POLL
        due_in = min(max(age / 4, FIRST_POLL), LONGEST_POLL)
        if attempt.state is AttemptState.ACCEPTED:
            return _release(work, due_in=due_in)
        payment, event = work.payment.noted(
            actor=answer.actor, cause=f"{attempt.step}_accepted", **_evidence_of(attempt, answer)
        )
        if attempt.step is Step.PAYOUT:
            payment = replace(payment, sent_at=payment.sent_at or now)
        return replace(
            _release(work, due_in=due_in),
            payment=payment,
            attempt=attempt.answered(AttemptState.ACCEPTED, answer),
            events=(event,),
        )

    def _wonder(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """UNKNOWN, or ABSENT where nothing may be sent: ask again later, or call a person."""
        if answer.outcome is Outcome.ABSENT and attempt.provider_reference:
            return _hold(work, "provider_contradicts_itself")
        if not self._capabilities[attempt.provider].may_send_again(attempt, now):
            return _hold(work, "outcome_unknown")
        delay = min(FIRST_RETRY * 2 ** min(attempt.inconclusive_count, 10), LONGEST_RETRY)
        change = replace(
            _release(work, due_in=delay * (0.5 + self._spread() / 2)),
            attempt=attempt.answered(AttemptState.UNKNOWN, answer),
        )
        if attempt.state is AttemptState.UNKNOWN:
            return change
        payment, event = work.payment.noted(
            actor=answer.actor, cause=f"{attempt.step}_unknown", **_evidence_of(attempt, answer)
        )
        return replace(change, payment=payment, events=(event,))

    def _mismatch(self, work: Work, attempt: Attempt, answer: Answer) -> Change:
        change = _hold(
            work,
            "amount_mismatch",
            expected=f"{attempt.amount} {attempt.amount.currency}",
            stated=f"{answer.amount} {answer.amount.currency}" if answer.amount else "",
        )
        return replace(change, attempt=attempt.answered(AttemptState.UNKNOWN, answer))


def _succeed(work: Work, attempt: Attempt, answer: Answer) -> Change:
    payment, event = work.payment.moved(
        State.FUNDED if attempt.step is Step.COLLECTION else State.COMPLETED,
        actor=answer.actor,
        cause=f"{attempt.step}_succeeded",
        **_evidence_of(attempt, answer),
    )
    done = replace(
        _release(work, closed_news=_ignored(work.news)),
        payment=payment,
        attempt=attempt.answered(AttemptState.SUCCEEDED, answer),
        events=(event,),
        postings=payout_postings(payment),
    )
    if attempt.step is Step.PAYOUT:
        return done
    payment, exchanged = payment.moved(
        State.CONVERTED,
        actor="worker",
        cause="exchanged_at_locked_rate",
        rate=str(payment.terms.rate),
        payout=f"{payment.terms.payout} {payment.terms.payout.currency}",
    )
    return replace(
        done,
        payment=payment,
        events=(event, exchanged),
        postings=(*collection_postings(payment), *exchange_postings(payment.terms)),
        # What is said about the payout is kept until there is one.
        closed_news=_ignored(news for news in work.news if news.step is Step.COLLECTION),
        due_in=timedelta(0),
    )


def _fail(work: Work, attempt: Attempt, answer: Answer) -> Change:
    """A definitive no. Uncollected, the payment has failed; unpaid, a person must see to it."""
    failed = attempt.answered(AttemptState.FAILED, answer)
    evidence = _evidence_of(attempt, answer)
    if attempt.step is Step.COLLECTION:
        payment, event = work.payment.moved(
            State.FAILED, actor=answer.actor, cause="collection_failed", **evidence
        )
    else:
        payment, event = work.payment.held("payout_failed", actor=answer.actor, **evidence)
    return replace(
        _release(work, closed_news=_ignored(work.news)),
        payment=replace(payment, failure=answer.failure),
        attempt=failed,
        events=(event,),
    )


def _hold(work: Work, reason: str, **evidence: str) -> Change:
    payment, event = work.payment.held(reason, actor="worker", **evidence)
    return replace(_release(work), payment=payment, events=(event,))


def _release(
    work: Work,
    *,
    due_in: timedelta | None = None,
    closed_news: tuple[ClosedNews, ...] = (),
) -> Change:
    return Change(
        payment=work.payment,
        expected_version=work.payment.version,
        lease_token=work.lease_token,
        closed_news=closed_news,
        due_in=due_in,
    )


def _rest(work: Work, change: Change) -> Plan:
    return Plan(change=change, call=None, work=work)


def _ignored(news: Iterable[News]) -> tuple[ClosedNews, ...]:
    return tuple(ClosedNews(news=item, fate=NewsFate.IGNORED) for item in news)


def _evidence_of(attempt: Attempt, answer: Answer) -> dict[str, str]:
    facts = {
        "provider": attempt.provider,
        "key": attempt.key,
        "provider_reference": answer.provider_reference or attempt.provider_reference,
        "event_id": answer.event_id,
    }
    if answer.failure is not None:
        facts |= {"failure_code": answer.failure.code, "failure_message": answer.failure.message}
    return facts


def _live(work: Work) -> Attempt:
    if work.attempt is None:
        raise ValueError(f"{work.payment.transaction_id} has no attempt to settle")
    return work.attempt
