"""The next step of a payment, and when: derived from its record, as the engine will find it. The
decisions themselves are in engine.decisions, and the verbs of operators in allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.payments.model.attempt import Attempt, AttemptState
from services.payments.model.holds import HOLDS
from services.payments.model.payment import SETTLED, Payment, State
from services.payments.model.progress import STEPS, waiting_as
from services.payments.model.timing import ENDS, End, Waiting
from services.payments.operators.inspected import Queued


class Reason(StrEnum):
    """Why nothing else happens before; the names of the public API."""

    UNDER_WORK = "UNDER_WORK"
    DUE = "DUE"
    PROVIDER_DECIDES = "PROVIDER_DECIDES"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    TRIED_AGAIN = "TRIED_AGAIN"
    ROUTE_RESTS = "ROUTE_RESTS"
    CANCEL_WINDOW = "CANCEL_WINDOW"
    PAYER_ACTS = "PAYER_ACTS"
    MERCHANT_DECIDES = "MERCHANT_DECIDES"
    OPERATOR_DECIDES = "OPERATOR_DECIDES"
    STEP_RESTS = "STEP_RESTS"
    LAST_LOOK = "LAST_LOOK"
    PAUSED = "PAUSED"
    OVER = "OVER"


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """The next step, and when it comes."""

    reason: Reason
    description: str
    at: datetime | None = None
    deadline_at: datetime | None = None
    at_deadline: End | None = None


_MERCHANTS = {
    Waiting.RETURNED: "The payout came back; the merchant corrects the recipient or refunds.",
    Waiting.ACTION_REQUIRED: "The recipient was refused; the merchant corrects it or refunds.",
    Waiting.PARTLY_REFUNDED: "A part was refunded; the merchant decides about the rest.",
}


def next_step(payment: Payment, attempts: Sequence[Attempt], queued: Queued) -> NextStep:
    """The next step by the record of one moment."""
    waiting = waiting_as(payment)
    if waiting is not None:
        return _of_person(payment, waiting, queued)
    if queued.lease_until is not None and queued.lease_until > queued.now:
        words = "A worker has the payment; if it stops, another one takes it then."
        return NextStep(reason=Reason.UNDER_WORK, description=words, at=queued.lease_until)
    if payment.state in SETTLED:
        return _of_settled(payment, queued)
    if queued.paused_until is not None:
        words = "Its provider or its corridor is paused; it is sent then, or once that is resumed."
        return NextStep(reason=Reason.PAUSED, description=words, at=queued.paused_until)
    at = _when(payment, queued)
    if at is None or at <= queued.now:
        words = "The payment is due; the next free worker takes it."
        return NextStep(reason=Reason.DUE, description=words, at=queued.due_at)
    reason, words = _of_wait(payment, _current(payment, attempts), queued)
    return NextStep(reason=reason, description=words, at=at)


def _when(payment: Payment, queued: Queued) -> datetime | None:
    """When a worker does something: a payment that rests is looked at before, and left alone."""
    if payment.state is State.CONVERTED and payment.cancellable_until is not None:
        return max(queued.due_at or queued.now, payment.cancellable_until)
    return queued.due_at


def _of_person(payment: Payment, waiting: Waiting, queued: Queued) -> NextStep:
    if payment.hold_reason is None:
        reason, words = Reason.MERCHANT_DECIDES, _MERCHANTS[waiting]
    else:
        reason, words = Reason.OPERATOR_DECIDES, HOLDS[payment.hold_reason].meaning
        if queued.due_at is not None:
            words += " Its provider is asked again meanwhile."
    return NextStep(
        reason=reason,
        description=words,
        at=queued.due_at,
        deadline_at=payment.deadline_at,
        at_deadline=ENDS[waiting] if payment.deadline_at else None,
    )


def _of_settled(payment: Payment, queued: Queued) -> NextStep:
    if queued.due_at is None:
        words = f"The payment is {payment.state.lower()}; nothing is left to do."
        return NextStep(reason=Reason.OVER, description=words)
    if payment.state is State.COMPLETED:
        words = "The payout may still come back; its provider is asked once more then."
        return NextStep(reason=Reason.LAST_LOOK, description=words, at=queued.due_at)
    words = "The payment is over; its provider is asked about an event that came after the end."
    return NextStep(reason=Reason.DUE, description=words, at=queued.due_at)


def _current(payment: Payment, attempts: Sequence[Attempt]) -> Attempt | None:
    step = STEPS.get(payment.state)
    return max((one for one in attempts if one.step is step), key=_number, default=None)


def _number(attempt: Attempt) -> int:
    return attempt.number


def _of_wait(payment: Payment, attempt: Attempt | None, queued: Queued) -> tuple[Reason, str]:
    """Why a payment that goes on by itself is not due yet."""
    if queued.step_failures:
        words = "A step has broken down on our side; it is tried again then."
        return Reason.STEP_RESTS, words
    if payment.next_action is not None:
        return Reason.PAYER_ACTS, "The payer has to act; the onramp is asked again then."
    if payment.rests_until is not None and payment.rests_until > queued.now:
        words = "No provider of the route can pay now; the route begins again then."
        return Reason.ROUTE_RESTS, words
    if payment.state is State.CONVERTED and payment.cancellable_until is not None:
        return Reason.CANCEL_WINDOW, "The merchant may cancel it; it is paid out then."
    return _of_attempt(attempt)


def _of_attempt(attempt: Attempt | None) -> tuple[Reason, str]:
    if attempt is not None and attempt.state in (AttemptState.UNKNOWN, AttemptState.SENT):
        words = f"Nobody knows the outcome of the {attempt.step}; {attempt.provider} is asked then."
        return Reason.OUTCOME_UNKNOWN, words
    if attempt is not None and attempt.state is AttemptState.ACCEPTED:
        words = f"{attempt.provider} decides about the {attempt.step}; it is asked again then."
        return Reason.PROVIDER_DECIDES, words
    return Reason.TRIED_AGAIN, "The step could not be done now; it is tried again then."
