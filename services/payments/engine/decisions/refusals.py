"""A recipient that cannot be paid: no other offramp is tried, and nothing is refunded at once. The
merchant corrects it or refunds, until a deadline; corrections has the way out."""

from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Change
from services.payments.engine.decisions.inbox_events import closed, without_successes
from services.payments.engine.decisions.moves import next_attempt
from services.payments.model.causes import Cause
from services.payments.model.payment import State


def require_action(case: Case) -> Change:
    """The payout has failed for good because of its recipient: the merchant must act."""
    work, answer = case.work, case.answer
    payment, event = case.payment.moved(
        State.ACTION_REQUIRED, actor=answer.actor, cause=Cause.RECIPIENT_REFUSED, **case.evidence
    )
    used = without_successes(closed(work, case.attempt))
    return replace(
        next_attempt(case),
        payment=replace(payment, failure=answer.failure),
        events=(event,),
        closed_events=used,
        # An event that states a success is looked up at once.
        due_in=timedelta(0) if len(used) < len(work.inbox) else None,
    )
