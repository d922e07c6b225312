"""An attempt that has succeeded and is asked about once more: whether it stands, came back, or is
denied."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Change, EventResult
from services.payments.engine.decisions.inbox_events import closed, signed_failure
from services.payments.engine.decisions.returns_and_refunds import return_payout, return_refund
from services.payments.engine.decisions.waiting import amounts_of, evidence_of, hold, release
from services.payments.model.answer import Outcome
from services.payments.model.attempt import Attempt, Capabilities, Step
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Payment, State
from services.payments.model.timing import FINAL_TRIES, FINAL_WAIT, LONGEST_RETRY


def final_in(payment: Payment, capabilities: Capabilities, now: datetime) -> timedelta | None:
    """How long a completed payment's payout may still come back; None where it cannot."""
    window = capabilities.success_final_after
    if payment.state is not State.COMPLETED or window == timedelta(0):
        return None
    return max(payment.updated_at + window - now, timedelta(0))


def stays(case: Case) -> Change:
    """It stands. It is asked about again at the end of the time in which it may come back."""
    remaining = final_in(case.payment, case.capabilities, case.work.claimed_at) or None
    used = closed(case.work, case.attempt)
    return replace(stays_on_hold(case), due_in=remaining, closed_events=used)


def stays_on_hold(case: Case) -> Change:
    """It stands, also where it was known to have come back; the events stay for whoever ends the
    hold."""
    standing = _asked_no_more(case.attempt.standing(case.answer))
    change = release(case.work)
    return change if standing is case.attempt else replace(change, attempt=standing)


def comes_back_on_hold(case: Case) -> Change:
    """It has come back while the payment is on hold. A refund is owed to the payer again at once,
    because its merchant can end a hold by another one; a payout's money goes to suspense, and all
    else waits for whoever ends the hold."""
    if case.attempt.step is Step.REFUND:
        return _returned_refund(case)
    return replace(release(case.work), attempt=case.attempt.back())


def ask_later(case: Case) -> Change:
    """The answer proves nothing: the provider is asked again, for days at the most, counted from
    the first question without an answer. Then the success stands, and the history says so; but a
    person must see to a signed event that says otherwise."""
    attempt, since = case.attempt, case.attempt.unknown_since or case.now
    if case.now - since < FINAL_WAIT or attempt.inconclusive_count < FINAL_TRIES:
        asked = replace(attempt, inconclusive_count=attempt.inconclusive_count + 1)
        waits = release(case.work, due_in=max(LONGEST_RETRY, case.answer.retry_after))
        return replace(waits, attempt=asked)
    doubt = signed_failure(case.work, attempt) if case.capabilities.signs_events else None
    if doubt is not None:
        facts = evidence_of(attempt, doubt.answer)
        return replace(
            hold(case.work, HoldReason.PROVIDER_CONTRADICTS, **facts),
            attempt=_asked_no_more(attempt),
            closed_events=closed(case.work, attempt),
        )
    payment, event = case.payment.noted(actor="worker", cause=Cause.SUCCESS_STANDS, **case.evidence)
    return replace(
        release(case.work, closed_events=closed(case.work, None)),
        payment=payment,
        attempt=_asked_no_more(attempt),
        events=(event,),
    )


def _asked_no_more(attempt: Attempt) -> Attempt:
    """The attempt without its questions so far: the next doubt is counted for itself."""
    return replace(attempt, inconclusive_count=0) if attempt.inconclusive_count else attempt


def contradicts(case: Case) -> Change:
    """The provider does not have it any more, or its look-up does not show it yet."""
    if not case.is_denial_certain:
        return ask_later(case)
    change = hold(case.work, HoldReason.PROVIDER_CONTRADICTS, **case.evidence)
    answered = _asked_no_more(case.attempt)
    return change if answered is case.attempt else replace(change, attempt=answered)


def denied(case: Case) -> Change:
    """The provider does not know an id: a contradiction only where it is one that it gave us."""
    return contradicts(case) if case.attempt.provider_reference else ask_later(case)


def other_amount(case: Case) -> Change:
    """The provider shows something else than what it had done."""
    facts = case.evidence | amounts_of(case.attempt, case.answer)
    change = hold(case.work, HoldReason.AMOUNT_MISMATCH, **facts)
    moved = case.answer.amount or case.attempt.moved
    return replace(change, attempt=_asked_no_more(case.attempt).known_to_have_moved(moved))


def reversed_success(case: Case) -> Change:
    """It has come back: a payout is returned, and a refund is owed to the payer again."""
    if case.payment.state is State.COMPLETED:
        return return_payout(case.work, case.attempt, case.answer)
    return _returned_refund(case)


def _returned_refund(case: Case) -> Change:
    """The events that say so are dealt with; others stay for whoever ends the hold."""
    doubts = tuple(
        item
        for item in closed(case.work, case.attempt)
        if item.result is EventResult.APPLIED and item.event.answer.outcome is Outcome.FAILED
    )
    return replace(return_refund(case.work, case.attempt, case.answer), closed_events=doubts)
