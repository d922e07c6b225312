"""Money that a provider has moved and no payment counts: each decision about an attempt posts the
change of its suspense in the same transaction."""

from dataclasses import replace

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.inbox_events import closed_known
from services.payments.engine.decisions.step_causes import AMOUNT_STATED
from services.payments.engine.decisions.waiting import amounts_of, hold, release
from services.payments.model.answer import Outcome
from services.payments.model.attempt import Attempt, AttemptState
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import suspense_postings
from services.payments.model.timing import HELD_POLL


def mismatch(case: Case) -> Change:
    """The provider shows another amount than ours: never taken as a success."""
    facts = case.evidence | amounts_of(case.attempt, case.answer)
    change = hold(case.work, HoldReason.AMOUNT_MISMATCH, **facts)
    # The events that led here are not to lead here again.
    after = case.attempt.answered(AttemptState.UNKNOWN, case.answer)
    return replace(
        change,
        attempt=after,
        closed_events=closed_known(case.work, case.attempt),
        # It may still move, and is then known to have moved.
        due_in=None if after.moved else HELD_POLL,
    )


def watch(case: Case) -> Change:
    """Records the money that an answer states to have moved, while the payment is held for another
    amount than ours; only a person ends the hold."""
    attempt, answer = case.attempt, case.answer
    failed = case.capabilities.says_failed(answer)
    moved = attempt.moved
    if answer.outcome is Outcome.SUCCEEDED:
        moved = answer.amount or attempt.amount
    elif failed:
        moved = None
    elif answer.amount is not None:
        moved = answer.amount
    over = moved is not None or failed
    change = release(case.work, due_in=None if over else HELD_POLL)
    if moved == attempt.moved:
        return change
    return replace(change, attempt=replace(attempt, moved=moved))


def with_suspense(work: Work, change: Change) -> Change:
    """The change, with the postings of the money that has moved under its attempt."""
    after = change.attempt
    if after is None:
        return change
    before = next((a for a in (work.attempt, *work.earlier) if _is_same(a, after)), None)
    postings = suspense_postings(before, after)
    if not postings:
        return change
    if not change.events:
        moved = f"{after.moved} {after.moved.currency}" if after.moved else ""
        payment, event = change.payment.noted(
            actor="worker", cause=AMOUNT_STATED[after.step], key=after.key, moved=moved
        )
        change = replace(change, payment=payment, events=(event,))
    return replace(change, postings=(*change.postings, *postings))


def _is_same(one: Attempt | None, other: Attempt) -> bool:
    return one is not None and one.key == other.key
