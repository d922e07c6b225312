"""A collection that waits for its payer, who is present: until the payer has acted, or until the
terms end and the onramp has cancelled it."""

from dataclasses import replace

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Change
from services.payments.engine.decisions.returns_and_refunds import cancel_or_expire
from services.payments.model.attempt import Step
from services.payments.model.causes import Cause
from services.payments.model.timing import FIRST_POLL


def with_payer(case: Case, change: Change) -> Change:
    """The change of a collection that the onramp will decide, with what its payer must do first.

    The history has it once; a page of the bank that is another one later takes its place.
    """
    payment, action = change.payment, case.answer.next_action
    if payment.payer is None or case.attempt.step is not Step.COLLECTION or case.answer.event_id:
        return change
    asked = replace(payment, next_action=action)
    if action is None:
        return replace(change, payment=asked)
    left = max(payment.last_moment - case.now, FIRST_POLL)
    change = replace(change, payment=asked, due_in=min(change.due_in or left, left))
    if payment.next_action is not None:
        return change
    asked, event = asked.noted(
        actor=case.answer.actor, cause=Cause.PAYER_ASKED, action=action.kind, **case.evidence
    )
    return replace(change, payment=asked, events=(event,))


def end_unpaid(case: Case) -> Change:
    """The payer has not acted, and nothing can be taken any more."""
    return cancel_or_expire(case.work)
