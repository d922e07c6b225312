"""Money in our book that an event contradicts: it came back to the provider, or is there again. The
provider is asked; the book follows its answer at once, on hold or not. The attempt that counts is
watched in watched, as long as nothing of it has come back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Change, EventResult, InboxEvent, Work
from services.payments.engine.decisions.inbox_events import (
    attempts_of,
    closed_dispute,
    event_in_dispute,
)
from services.payments.engine.decisions.returns_and_refunds import return_refund
from services.payments.engine.decisions.waiting import release
from services.payments.model.attempt import Attempt, AttemptState, Outcome, Step
from services.payments.model.timing import DOUBTED_TRIES, poll_in


def contradicted(work: Work, event: InboxEvent) -> Attempt | None:
    """The attempt whose money stands in our book otherwise than the event says; None for any other
    event."""
    said = event.answer.outcome
    for attempt in attempts_of(work, event):
        if said is Outcome.SUCCEEDED and attempt.came_back:
            return attempt
        if said is Outcome.FAILED and _is_thought_moved(work, attempt):
            return attempt
    return None


def _is_thought_moved(work: Work, attempt: Attempt) -> bool:
    if attempt.succeeded_late:
        return attempt.moved not in (None, attempt.nothing)
    # A part of a refund that others came after.
    is_earlier = attempt is not work.attempt and attempt.state is AttemptState.SUCCEEDED
    return is_earlier and attempt.step is Step.REFUND


def stands(case: Case) -> Change:
    """The provider has done it: the money is there, also where it was known to have come back."""
    attempt, standing = case.attempt, case.attempt.standing(case.answer)
    change = _closed(case, EventResult.APPLIED)
    return change if standing is attempt else replace(change, attempt=standing)


def comes_back(case: Case) -> Change:
    """The money has come back: what no payment counted is off suspense, and a part of a refund is
    owed to the payer again."""
    attempt, change = case.attempt, _closed(case, EventResult.APPLIED)
    if attempt.state is not AttemptState.SUCCEEDED:
        return replace(change, attempt=attempt.answered(attempt.state, case.answer))
    if attempt.step is not Step.REFUND:
        return replace(change, attempt=attempt.back())
    returned = return_refund(case.work, attempt, case.answer)
    return replace(returned, closed_events=change.closed_events)


def ask_until_it_is_old(case: Case) -> Change:
    """The provider does not say: it is asked again for as long as an outcome may be unknown. Then
    the book stays as it is."""
    return ask_again(case, case.capabilities.unknown_hold_after, then=outdated_event)


def ask_again(case: Case, patience: timedelta, then: Callable[[Case], Change]) -> Change:
    """The provider is asked again about the event, and after so long the last move is made, counted
    from the first question without an answer, and after enough of them."""
    event = event_in_dispute(case.work)
    since = event.asked_since or case.now
    if case.now - since >= patience and event.asked >= DOUBTED_TRIES:
        return then(case)
    return replace(release(case.work, due_in=poll_in(since, case.now)), asked_event=event)


def outdated_event(case: Case) -> Change:
    """The event is older than our record: only the move that was due anyway follows."""
    return _closed(case, EventResult.IGNORED)


def _closed(case: Case, result: EventResult) -> Change:
    """No move: the event is dealt with, and the payment goes on where it was."""
    return release(case.work, due_in=timedelta(0), closed_events=closed_dispute(case.work, result))
