"""What providers have said by webhook: which attempt an event is about, whether it settles it by
itself, and whether it contradicts what is recorded. What then happens is decided in decider."""

from collections.abc import Iterable
from dataclasses import replace

from services.payments.engine.decisions.facts import ClosedNews, News, NewsFate, Work
from services.payments.model.attempt import (
    MISMATCHES,
    Answer,
    Attempt,
    AttemptState,
    Capabilities,
    Outcome,
)

_DECISIVE = (Outcome.SUCCEEDED, Outcome.FAILED)


def is_about(news: News, attempt: Attempt) -> bool:
    """Whether an event is about this very attempt, as far as it says."""
    return (
        news.step is attempt.step
        and news.provider == attempt.provider
        and news.answer.key in ("", attempt.key)
    )


def speaks_of_others(work: Work) -> bool:
    """Whether an event may be about another attempt than the present one."""
    return any(work.attempt is None or not is_about(news, work.attempt) for news in work.news)


def takes_back(work: Work, attempt: Attempt) -> bool:
    """Whether an event says that an attempt which has succeeded has failed after all."""
    return any(
        news.answer.outcome is Outcome.FAILED and is_about(news, attempt) for news in work.news
    )


def evidence(work: Work, attempt: Attempt, capabilities: Capabilities) -> Answer | None:
    """The success that an event tells of, where that settles the attempt without asking anybody.

    A failure lets money move again, to the next offramp or back to the payer, so it is asked about:
    its event may be older than a success.
    """
    # An event can be evidence only about what the provider is known to have.
    if attempt.state is AttemptState.INTENDED or not capabilities.event_is_evidence:
        return None
    word = _word(work, attempt)
    return word if word is not None and word.outcome is Outcome.SUCCEEDED else None


def or_what_was_heard(
    work: Work, attempt: Attempt, capabilities: Capabilities, answer: Answer
) -> Answer:
    """The answer, or what an event says where asking was of no help.

    It was none where nobody could say and the provider signs its events, or where the provider
    calls open what an event of its own has ended, and its events are evidence.
    """
    believed = {
        Outcome.UNKNOWN: capabilities.signs_events,
        Outcome.PENDING: capabilities.event_is_evidence,
    }
    # What has succeeded is taken back by an answer only: an event may be older than the success.
    # And an answer that shows another amount than ours says a great deal, whatever an event says.
    stands = attempt.state is AttemptState.SUCCEEDED or answer.code in MISMATCHES
    if stands or not believed.get(answer.outcome, False):
        return answer
    return _word(work, attempt) or answer


def named_by_event(work: Work, attempt: Attempt) -> Attempt:
    """The attempt with the provider's id, also where only an event has told it so far.

    From then on the provider is known to have it, and whatever it says, nothing is sent again.
    """
    references = (
        news.answer.provider_reference
        for news in work.news
        if is_about(news, attempt) and news.answer.provider_reference
    )
    return replace(attempt, provider_reference=attempt.provider_reference or next(references, ""))


def is_decided_by_event(work: Work, attempt: Attempt) -> bool:
    """Whether an event says how the attempt ended; not yet whether that is true."""
    return any(news.answer.outcome in _DECISIVE and is_about(news, attempt) for news in work.news)


def but_successes(items: tuple[ClosedNews, ...]) -> tuple[ClosedNews, ...]:
    """Without those that tell of a success: where an attempt ends otherwise, they are disputed."""
    return tuple(item for item in items if item.news.answer.outcome is not Outcome.SUCCEEDED)


def closed(work: Work, attempt: Attempt | None) -> tuple[ClosedNews, ...]:
    """All events as dealt with: applied where they are about the attempt, ignored otherwise."""
    return tuple(
        ClosedNews(
            news=news,
            fate=NewsFate.APPLIED if attempt and is_about(news, attempt) else NewsFate.IGNORED,
        )
        for news in work.news
    )


def heard(work: Work, attempt: Attempt) -> tuple[ClosedNews, ...]:
    """The same for the events about attempts that exist; others stay for one that is to come."""
    existing = known(work)
    return tuple(item for item in closed(work, attempt) if item.news in existing)


def ignored(work: Work, news: Iterable[News]) -> tuple[ClosedNews, ...]:
    """The events, as changing nothing; one that names a key that we do not know is listed."""
    return tuple(
        ClosedNews(
            news=item,
            fate=NewsFate.IGNORED
            if attempts_meant(work, item) or not item.answer.key
            else NewsFate.UNMATCHED,
        )
        for item in news
    )


def known(work: Work) -> tuple[News, ...]:
    """Events about attempts that exist; others may be about one that is still to come."""
    return tuple(news for news in work.news if attempts_meant(work, news))


def outdated(work: Work) -> tuple[News, ...]:
    """Events about other attempts than the present one, which are over: they tell nothing new."""
    return tuple(
        news
        for news in known(work)
        if not any(a is work.attempt or a.is_live for a in attempts_meant(work, news))
    )


def attempts_meant(work: Work, news: News) -> list[Attempt]:
    """The payment's attempts that an event may be about, as far as it says."""
    known = (*((work.attempt,) if work.attempt else ()), *work.earlier)
    return [attempt for attempt in known if is_about(news, attempt)]


def _word(work: Work, attempt: Attempt) -> Answer | None:
    """The one thing that the events say of the attempt; nothing where they disagree."""
    words = [
        news.answer
        for news in work.news
        if news.answer.outcome in _DECISIVE and is_about(news, attempt)
    ]
    return words[0] if len({word.outcome for word in words}) == 1 else None
