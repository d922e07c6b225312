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
from services.payments.engine.decisions.waiting import hold, release
from services.payments.engine.decisions.watched import other_amount
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.holds import HoldReason
from services.payments.model.timing import DOUBTED_TRIES, poll_in


def contradicted(work: Work, event: InboxEvent) -> Attempt | None:
    """The attempt whose money stands in our book otherwise than the event says; None for any other
    event."""
    said = event.answer.outcome
    for attempt in attempts_of(work, event):
        if said is Outcome.SUCCEEDED and (
            attempt.came_back or _is_of_other_amount(attempt, event.answer)
        ):
            return attempt
        if said is Outcome.FAILED and _is_thought_moved(work, attempt):
            return attempt
    return None


def _is_thought_moved(work: Work, attempt: Attempt) -> bool:
    if attempt.succeeded_late:
        return attempt.moved not in (None, attempt.nothing)
    # A collection, or a part of a refund, that others came after.
    is_earlier = attempt is not work.attempt and attempt.state is AttemptState.SUCCEEDED
    return is_earlier and attempt.step is not Step.PAYOUT and not attempt.came_back


def _is_of_other_amount(attempt: Attempt, said: Answer) -> bool:
    counted = attempt.state is AttemptState.SUCCEEDED
    return counted and said.amount not in (None, attempt.moved or attempt.amount)


def stands(case: Case) -> Change:
    """The provider has done it: the money is there, also where it was known to have come back."""
    attempt, standing = case.attempt, case.attempt.standing(case.answer)
    change = _closed(case, EventResult.APPLIED)
    return change if standing is attempt else replace(change, attempt=standing)


def comes_back(case: Case) -> Change:
    """The money has come back: what no payment counted is off suspense, a part of a refund is owed
    to the payer again, and without its collection a payment waits for a person."""
    attempt, change = case.attempt, _closed(case, EventResult.APPLIED)
    if attempt.state is not AttemptState.SUCCEEDED:
        return replace(change, attempt=attempt.answered(attempt.state, case.answer))
    if attempt.step is Step.REFUND:
        returned = return_refund(case.work, attempt, case.answer)
        return replace(returned, closed_events=change.closed_events)
    if attempt.step is Step.COLLECTION and not attempt.came_back:
        change = _held(case, HoldReason.COLLECTION_REVERSED)
    return replace(change, attempt=attempt.back())


def shows_another_amount(case: Case) -> Change:
    """The provider has done it, of another amount: a person must see to it."""
    applied = closed_dispute(case.work, EventResult.APPLIED)
    return replace(other_amount(case), closed_events=applied)


def ask_until_it_is_old(case: Case) -> Change:
    """The provider does not say: it is asked again for as long as an outcome may be unknown. Then
    the book stays as it is."""
    return ask_again(case, case.capabilities.unknown_hold_after, then=unanswered)


def unanswered(case: Case) -> Change:
    """Nobody says whether the event is true: a person must see to a signed one, and any other
    changes nothing."""
    said = event_in_dispute(case.work).answer
    if not (said.signed and case.capabilities.signs_events):
        return outdated_event(case)
    return _held(replace(case, answer=said), HoldReason.PROVIDER_CONTRADICTS)


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


def _held(case: Case, reason: HoldReason) -> Change:
    """A person must see to it, and sees the hold before it as well."""
    facts = case.evidence | {"held_before": case.payment.hold_reason or ""}
    applied = closed_dispute(case.work, EventResult.APPLIED)
    return replace(hold(case.work, reason, **facts), closed_events=applied)


def _closed(case: Case, result: EventResult) -> Change:
    """No move: the event is dealt with, and the payment goes on where it was."""
    return release(case.work, due_in=timedelta(0), closed_events=closed_dispute(case.work, result))
