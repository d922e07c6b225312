"""A success against our record: an event says that something succeeded which is over for us, or
which we never began. The provider is asked, and where it confirms it, or a signed event stands
against its look-up, a person must see to it."""

from dataclasses import replace

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Change, EventResult, InboxEvent, Work
from services.payments.engine.decisions.inbox_events import (
    attempts_of,
    closed_dispute,
    event_in_dispute,
)
from services.payments.engine.decisions.recounted import ask_again, contradicted, outdated_event
from services.payments.engine.decisions.waiting import amounts_of, hold
from services.payments.model.answer import MISMATCHES, SUCCEEDED_LATE, Outcome
from services.payments.model.attempt import OVER, Attempt, AttemptState, LookUp, Step, intend
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Failure, State
from services.payments.model.timing import LOOK_UP_BEHIND_EVENT

# The states in which a step may still begin, so that an event may be about an attempt to come.
_BEFORE: dict[Step, frozenset[State]] = {
    Step.COLLECTION: frozenset({State.CREATED, State.COLLECTING}),
    Step.PAYOUT: frozenset(
        {State.CREATED, State.COLLECTING, State.FUNDED, State.CONVERTED, State.PAYING_OUT}
    ),
    Step.REFUND: frozenset({State.REFUNDING}),
}


def disputed(work: Work) -> Work | None:
    """The work of asking about the first event that contradicts our record: a success of what is
    over, or another end of money that stands in our book."""
    for event in work.inbox:
        attempt = contradicted(work, event) or _against_the_record(work, event)
        if attempt is not None:
            # Under one key there may be two operations, and the event is about its own.
            reference = event.answer.provider_reference or attempt.provider_reference
            asked = replace(attempt, provider_reference=reference)
            return replace(work, attempt=asked, earlier=_others(work, attempt), disputed=event)
    return None


def _others(work: Work, attempt: Attempt) -> tuple[Attempt, ...]:
    known = (*((work.attempt,) if work.attempt else ()), *work.earlier)
    return tuple(other for other in known if other is not attempt)


def _against_the_record(work: Work, event: InboxEvent) -> Attempt | None:
    """The attempt that an event says has succeeded, against our record; None for any other."""
    if event.answer.outcome is not Outcome.SUCCEEDED:
        return None
    meant = attempts_of(work, event)
    if not meant:
        to_come = work.payment.state in _BEFORE[event.step]
        return None if to_come else _supposed(work, event)
    if any(attempt.state not in OVER for attempt in meant):
        return None
    unknown = [attempt for attempt in meant if attempt.code != SUCCEEDED_LATE]
    return max(unknown, key=lambda attempt: attempt.number, default=None)


def _supposed(work: Work, event: InboxEvent) -> Attempt:
    """The attempt that the provider would have if the event were true. It was never sent, and is
    recorded once it is confirmed, because money that has moved stands under an attempt."""
    known = [*((work.attempt,) if work.attempt else ()), *work.earlier]
    number = 1 + max((a.number for a in known if a.step is event.step), default=0)
    # A refund may be of a part, which only the event says.
    part = event.answer.amount or work.payment.terms.amount
    attempt = intend(work.payment, event.step, number, part if event.step is Step.REFUND else None)
    return replace(
        attempt,
        provider=event.provider,
        key=event.answer.key or attempt.key,
        state=AttemptState.FAILED,
    )


def confirm(case: Case) -> Change:
    """The provider confirms it: a person must see to it. The attempt keeps that it is known, so
    that the same success is not taken for another one, and the money that the provider has
    moved."""
    attempt, answer = case.attempt, case.answer
    moved = answer.amount or (attempt.amount if answer.outcome is Outcome.SUCCEEDED else None)
    return _confirmed(case, attempt.known_to_have_moved(moved or attempt.moved))


def confirm_by_event(case: Case) -> Change:
    """No look-up can confirm the event, so it decides alone: a person must see to it. It proves no
    moved money."""
    event = event_in_dispute(case.work)
    return _confirmed(replace(case, answer=event.answer), case.attempt)


def _confirmed(case: Case, known: Attempt) -> Change:
    work, attempt, answer = case.work, case.attempt, case.answer
    mismatch = answer.code in MISMATCHES
    reason = HoldReason.AMOUNT_MISMATCH if mismatch else HoldReason.LATE_SUCCESS
    facts = case.evidence | amounts_of(attempt, answer)
    facts |= {"held_before": work.payment.hold_reason or ""} | also_succeeded(work, attempt)
    late = Failure(code=SUCCEEDED_LATE, message="succeeded after all, by the provider's word")
    change = hold(work, reason, **{**facts, "step": attempt.step, "state_before": attempt.state})
    return replace(
        change,
        attempt=replace(known, failure=late) if _is_ours_alone(work, attempt) else None,
        closed_events=closed_dispute(work, EventResult.APPLIED),
    )


def absent_despite_event(case: Case) -> Change:
    """The provider has nothing, against an event of its own. A signed one stands against its
    look-up, as does any event of a provider that cannot be asked; but a look-up may lag behind an
    event, so that it is asked again for a while. Another event is outdated, unless the look-up
    lags."""
    known = case.capabilities
    if known.look_up is LookUp.NONE:
        return confirm_by_event(case)
    if event_in_dispute(case.work).answer.signed and known.signs_events:
        lag = max(LOOK_UP_BEHIND_EVENT, known.look_up_lag)
        return ask_again(case, lag, then=confirm_by_event)
    return outdated_event(case) if case.is_denial_certain else wait_for_proof(case)


def wait_for_proof(case: Case) -> Change:
    """The provider does not say yet: it is asked again; after a while a person must see to it."""
    return ask_again(case, case.capabilities.unknown_hold_after, then=confirm_by_event)


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
    """Whether it can be recorded: a key belongs to one attempt, also where an event repeats it."""
    return all(a.number == attempt.number for a in work.earlier if a.key == attempt.key)
