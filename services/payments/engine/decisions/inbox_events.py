"""The events of a payment in the inbox: the attempt that an event is about, whether it settles the
attempt by itself, and whether it contradicts our record. The decisions are in decider."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce

from services.payments.engine.decisions.facts import ClosedEvent, EventResult, InboxEvent, Work
from services.payments.model.answer import MISMATCHES, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Capabilities
from services.shared.recipients import Recipient, without

_DECISIVE = (Outcome.SUCCEEDED, Outcome.FAILED)


def is_about(event: InboxEvent, attempt: Attempt) -> bool:
    """Whether an event is about this very attempt, as far as it says."""
    return (
        event.step is attempt.step
        and event.provider == attempt.provider
        and event.answer.key in ("", attempt.key)
    )


def mentions_other_attempts(work: Work) -> bool:
    """Whether an event may be about another attempt than the present one."""
    return any(work.attempt is None or not is_about(event, work.attempt) for event in work.inbox)


def reports_failure(work: Work, attempt: Attempt) -> bool:
    """Whether an event says that an attempt which has succeeded has failed after all."""
    return any(_failures(work, attempt))


def signed_failure(work: Work, attempt: Attempt) -> InboxEvent | None:
    """The event that says so and has a signature; None where there is none."""
    return next((event for event in _failures(work, attempt) if event.answer.signed), None)


def _failures(work: Work, attempt: Attempt) -> Iterator[InboxEvent]:
    return (
        event
        for event in work.inbox
        if event.answer.outcome is Outcome.FAILED and is_about(event, attempt)
    )


def evidence(work: Work, attempt: Attempt, capabilities: Capabilities) -> Answer | None:
    """The success that an event states, where that settles the attempt without a look-up.

    A failure lets money move again, to the next offramp or back to the payer, so it is looked
    up: its event may be older than a success.
    """
    # An event can be evidence only about what the provider is known to have.
    if attempt.state is AttemptState.INTENDED or not capabilities.event_is_evidence:
        return None
    word = _outcome_of_events(work, attempt)
    return word if word is not None and word.outcome is Outcome.SUCCEEDED else None


def answer_or_event(
    work: Work, attempt: Attempt, capabilities: Capabilities, answer: Answer
) -> Answer:
    """The answer, or an event's statement where the answer is of no help.

    That is so where the answer is unknown and the provider signs its events, or where the provider
    calls an operation open that its own event has ended, and its events are evidence.
    """
    believed = {
        Outcome.UNKNOWN: capabilities.signs_events,
        Outcome.PENDING: capabilities.event_is_evidence,
    }
    # Only an answer takes back money that is known to have moved: an event may be older. And an
    # answer that shows another amount than ours counts more than any event.
    has_moved = attempt.state is AttemptState.SUCCEEDED or attempt.succeeded_late
    stands = has_moved or attempt.moved is not None or answer.code in MISMATCHES
    if stands or not believed.get(answer.outcome, False):
        return answer
    return _outcome_of_events(work, attempt) or answer


def named_by_event(work: Work, attempt: Attempt) -> Attempt:
    """The attempt with the provider's id, also where only an event has stated it so far.

    From then on the provider is known to have it, and nothing is sent again.
    """
    references = (
        event.answer.provider_reference
        for event in work.inbox
        if is_about(event, attempt) and event.answer.provider_reference
    )
    return replace(attempt, provider_reference=attempt.provider_reference or next(references, ""))


def without_successes(items: tuple[ClosedEvent, ...]) -> tuple[ClosedEvent, ...]:
    """Without those that state a success: where an attempt ends otherwise, they are disputed."""
    return tuple(item for item in items if item.event.answer.outcome is not Outcome.SUCCEEDED)


def closed(work: Work, attempt: Attempt | None) -> tuple[ClosedEvent, ...]:
    """All events as closed: applied where they are about the attempt, as ignored() otherwise."""
    return tuple(
        ClosedEvent(event=event, result=EventResult.APPLIED)
        if attempt and is_about(event, attempt)
        else _unused(work, event)
        for event in work.inbox
    )


def closed_at_the_end(work: Work, attempt: Attempt) -> tuple[ClosedEvent, ...]:
    """The same where a step ends, but for successes of attempts that we never made: their provider
    is asked about each."""
    existing = known(work)
    return tuple(
        item
        for item in closed(work, attempt)
        if item.event in existing or item.event.answer.outcome is not Outcome.SUCCEEDED
    )


def closed_known(work: Work, attempt: Attempt) -> tuple[ClosedEvent, ...]:
    """The same for the events about attempts that exist; others stay for one that is to come."""
    existing = known(work)
    return tuple(item for item in closed(work, attempt) if item.event in existing)


def ignored(work: Work, events: Iterable[InboxEvent]) -> tuple[ClosedEvent, ...]:
    """The events, as changing nothing; one that names a key that we do not know is listed."""
    return tuple(_unused(work, event) for event in events)


def _unused(work: Work, event: InboxEvent) -> ClosedEvent:
    is_ours = attempts_of(work, event) or not event.answer.key
    return ClosedEvent(
        event=event, result=EventResult.IGNORED if is_ours else EventResult.UNMATCHED
    )


def known(work: Work) -> tuple[InboxEvent, ...]:
    """Events about attempts that exist; others may be about one that is still to come."""
    return tuple(event for event in work.inbox if attempts_of(work, event))


def outdated(work: Work) -> tuple[InboxEvent, ...]:
    """Events about other attempts than the present one, which are over."""
    return tuple(
        event
        for event in known(work)
        if not any(a is work.attempt or a.is_live for a in attempts_of(work, event))
    )


def attempts_of(work: Work, event: InboxEvent) -> list[Attempt]:
    """The payment's attempts that an event may be about, as far as it says."""
    known = (*((work.attempt,) if work.attempt else ()), *work.earlier)
    return [attempt for attempt in known if is_about(event, attempt)]


def event_in_dispute(work: Work) -> InboxEvent:
    """The event that the provider was asked about. Raises ValueError where there is none."""
    if work.disputed is None:
        raise ValueError(f"{work.payment.transaction_id} has no event in dispute")
    return work.disputed


def closed_dispute(work: Work, result: EventResult) -> tuple[ClosedEvent, ...]:
    """The event in dispute as closed, where there is one."""
    return (ClosedEvent(event=work.disputed, result=result),) if work.disputed else ()


def _outcome_of_events(work: Work, attempt: Attempt) -> Answer | None:
    """The outcome on which all events about the attempt agree; None where they do not."""
    words = [
        event.answer
        for event in work.inbox
        if event.answer.outcome in _DECISIVE and is_about(event, attempt)
    ]
    return words[0] if len({word.outcome for word in words}) == 1 else None


def without_recipients(work: Work) -> Work:
    """The work, whose events' words a merchant may see, without what would identify a person."""
    attempts = (work.attempt, *work.earlier)
    paid = {work.payment.recipient, *(a.recipient for a in attempts if a and a.recipient)}
    return replace(work, inbox=tuple(_without(event, paid) for event in work.inbox))


def _without(event: InboxEvent, recipients: Iterable[Recipient]) -> InboxEvent:
    failure = event.answer.failure
    if failure is None:
        return event
    words = reduce(without, recipients, failure.message)
    return replace(event, answer=replace(event.answer, failure=replace(failure, message=words)))
