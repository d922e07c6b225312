"""A success against our record: an event says that something succeeded which is over for us, or
which we never began. The provider is asked, and where it confirms it, or a signed event stands
against its look-up, a person must see to it."""

from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Change, ClosedNews, News, NewsFate, Work
from services.payments.engine.decisions.news import attempts_meant
from services.payments.engine.decisions.waiting import amounts_of, hold, release
from services.payments.model.attempt import (
    MISMATCHES,
    OVER,
    SUCCEEDED_LATE,
    Attempt,
    AttemptState,
    LookUp,
    Outcome,
    Step,
    intend,
)
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Failure, State
from services.payments.model.timing import poll_in

# The states in which a step may still begin, so that an event may be about an attempt to come.
_BEFORE: dict[Step, frozenset[State]] = {
    Step.COLLECTION: frozenset({State.CREATED, State.COLLECTING}),
    Step.PAYOUT: frozenset(
        {State.CREATED, State.COLLECTING, State.FUNDED, State.CONVERTED, State.PAYING_OUT}
    ),
    Step.REFUND: frozenset({State.REFUNDING}),
}


def disputed(work: Work) -> Work | None:
    """The work of asking about the first event that tells of a success against our record."""
    for news in work.news:
        attempt = _against_the_record(work, news)
        if attempt is not None:
            # Under one key there may be two operations, and the event is about its own.
            reference = news.answer.provider_reference or attempt.provider_reference
            asked = replace(attempt, provider_reference=reference)
            return replace(work, attempt=asked, earlier=_others(work, attempt), disputed=news)
    return None


def _others(work: Work, attempt: Attempt) -> tuple[Attempt, ...]:
    known = (*((work.attempt,) if work.attempt else ()), *work.earlier)
    return tuple(other for other in known if other is not attempt)


def _against_the_record(work: Work, news: News) -> Attempt | None:
    """The attempt that an event says has succeeded, against our record; None for any other."""
    if news.answer.outcome is not Outcome.SUCCEEDED:
        return None
    meant = attempts_meant(work, news)
    if not meant:
        to_come = work.payment.state in _BEFORE[news.step]
        return None if to_come else _supposed(work, news)
    if any(attempt.state not in OVER for attempt in meant):
        return None
    unknown = [attempt for attempt in meant if attempt.code != SUCCEEDED_LATE]
    return max(unknown, key=lambda attempt: attempt.number, default=None)


def _supposed(work: Work, news: News) -> Attempt:
    """What there would have to be at the provider if the event were true. It was never sent, and
    is put on record once it is confirmed, because what has moved stands under an attempt."""
    known = [*((work.attempt,) if work.attempt else ()), *work.earlier]
    number = 1 + max((a.number for a in known if a.step is news.step), default=0)
    # A refund may be of a part, which only the event says.
    part = news.answer.amount or work.payment.terms.amount
    attempt = intend(work.payment, news.step, number, part if news.step is Step.REFUND else None)
    return replace(
        attempt,
        provider=news.provider,
        key=news.answer.key or attempt.key,
        state=AttemptState.FAILED,
    )


def confirm(case: Case) -> Change:
    """The provider confirms it: a person must see to it. The attempt keeps that it is known, so
    that the same success is not taken for another one, and what the provider shows to have
    moved."""
    attempt, answer = case.attempt, case.answer
    moved = answer.amount or (attempt.amount if answer.outcome is Outcome.SUCCEEDED else None)
    return _confirmed(case, attempt.known_to_have_moved(moved or attempt.moved))


def take_at_its_word(case: Case) -> Change:
    """Nobody has confirmed the event, and nobody can: it is all there is, and a person must see to
    it. It shows nothing to have moved."""
    event = _event(case)
    return _confirmed(replace(case, answer=event.answer), case.attempt)


def _confirmed(case: Case, known: Attempt) -> Change:
    work, attempt, answer = case.work, case.attempt, case.answer
    mismatch = answer.code in MISMATCHES
    reason = HoldReason.AMOUNT_MISMATCH if mismatch else HoldReason.LATE_SUCCESS
    facts = case.evidence | amounts_of(attempt, answer)
    facts |= {"held_before": work.payment.hold_reason or ""} | also_succeeded(work, attempt)
    told = Failure(code=SUCCEEDED_LATE, message="succeeded after all, by the provider's word")
    change = hold(work, reason, **{**facts, "step": attempt.step, "state_before": attempt.state})
    return replace(
        change,
        attempt=replace(known, failure=told) if _is_ours_alone(work, attempt) else None,
        closed_news=_closed(work, NewsFate.APPLIED),
    )


def nothing_there(case: Case) -> Change:
    """The provider has nothing, against an event of its own: its signed word stands against its
    look-up, as does any event of a provider that cannot be asked."""
    known = case.capabilities
    signed = _event(case).answer.signed and known.signs_events
    if signed or known.look_up is LookUp.NONE:
        return take_at_its_word(case)
    return outdated_event(case)


def outdated_event(case: Case) -> Change:
    """The event is older than what is on record: nothing to do but what was due anyway."""
    used = _closed(case.work, NewsFate.IGNORED)
    return release(case.work, due_in=timedelta(0), closed_news=used)


def wait_for_proof(case: Case) -> Change:
    """The provider does not say yet: it is asked again; after a while a person must see to it."""
    received_at = _event(case).received_at or case.now
    if case.now - received_at >= case.capabilities.unknown_hold_after:
        return take_at_its_word(case)
    return release(case.work, due_in=poll_in(received_at, case.now))


def _event(case: Case) -> News:
    """The event in dispute. Raises ValueError where there is none."""
    if case.work.disputed is None:
        raise ValueError(f"{case.payment.transaction_id} has no event in dispute")
    return case.work.disputed


def also_succeeded(work: Work, attempt: Attempt) -> dict[str, str]:
    """The key of another attempt of the step under which money has moved as well, where one has."""
    keys = [
        other.key
        for other in work.earlier
        if other.step is attempt.step and other.key != attempt.key and _has_moved(other)
    ]
    return {"also_succeeded": ", ".join(keys)} if keys else {}


def _has_moved(attempt: Attempt) -> bool:
    # A refund may be in parts, each of which is counted.
    counted = attempt.state is AttemptState.SUCCEEDED and attempt.step is not Step.REFUND
    return counted or (attempt.succeeded_late and attempt.moved is not None)


def _is_ours_alone(work: Work, attempt: Attempt) -> bool:
    """Whether it can be on record: a key belongs to one attempt, whoever repeats it."""
    return all(a.number == attempt.number for a in work.earlier if a.key == attempt.key)


def _closed(work: Work, fate: NewsFate) -> tuple[ClosedNews, ...]:
    return (ClosedNews(news=work.disputed, fate=fate),) if work.disputed else ()
