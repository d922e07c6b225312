"""Makes work and answers for the tests of the history, and compares the events that a change leaves
there with the expected ones, by their causes, actors and very facts."""

from dataclasses import replace
from typing import Any

from services.payments.engine.decisions.facts import Change, Work
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.payment import Failure, State
from tests.makers import make_attempt, make_work

# An event's cause, its actor, and what it rests on.
Recorded = tuple[str, str, dict[str, str]]


def said(outcome: Outcome, code: str = "", **changes: Any) -> Answer:
    """An answer that a webhook has brought, so that each of its facts stands in an event."""
    failure = Failure(code=code, message=f"{code}, in words") if code else None
    event = {"actor": "provider:them", "event_id": "evt_1", "provider_reference": "x_1"}
    return Answer(outcome=outcome, failure=failure, **{"signed": True, **event, **changes})


def attempt_of(work: Work) -> Attempt:
    """The work's attempt, which there must be."""
    assert work.attempt is not None
    return work.attempt


def make_work_of(state: State, attempt: AttemptState | None = None, **changes: Any) -> Work:
    """Claimed work; the changes are its payment's."""
    work = make_work(state, attempt)
    return replace(work, payment=replace(work.payment, **changes))


def with_attempt(work: Work, **changes: Any) -> Work:
    """The work with a changed attempt."""
    return replace(work, attempt=replace(attempt_of(work), **changes))


def make_late_work(step: Step, state: State, second: AttemptState) -> Work:
    """The first attempt has succeeded although it was over; the second is in this state."""
    work = make_work(state)
    late = make_attempt(
        work.payment,
        step,
        AttemptState.FAILED,
        failure=Failure(code=SUCCEEDED_LATE, message="late"),
        provider_reference="x_1",
    )
    sent = (
        {"sent_at": None, "last_sent_at": None, "leaves_until": None}
        if second is AttemptState.INTENDED
        else {}
    )
    attempt = make_attempt(work.payment, step, second, number=2, key="k-2", **sent)
    return replace(work, attempt=attempt, earlier=(late.known_to_have_moved(late.amount),))


def facts(work: Work, answer: Answer | None = None, **others: str) -> dict[str, str]:
    """The facts of the work's operation, those of an answer about it, and others."""
    attempt = attempt_of(work)
    known = {"provider": attempt.provider, "key": attempt.key}
    if answer is not None:
        known |= {"provider_reference": answer.provider_reference, "event_id": answer.event_id}
        if answer.failure is not None:
            known |= {"failure_code": answer.failure.code}
            known |= {"failure_message": answer.failure.message}
    return {name: fact for name, fact in (known | others).items() if fact}


def check(change: Change, *recorded: Recorded) -> None:
    """The change has exactly these events, numbered from its payment's version on."""
    assert [(event.cause, event.actor, event.evidence) for event in change.events] == list(recorded)
    first = change.before.version + 1
    assert [event.sequence for event in change.events] == list(range(first, first + len(recorded)))
    assert change.payment.version == change.events[-1].sequence
