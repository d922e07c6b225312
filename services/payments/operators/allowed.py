"""The verbs that a payment allows operators now. Each is held to the rule that refuses it when it
is done, and no rule stands here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from services.payments.engine.decisions.corrections import check_correctable
from services.payments.engine.decisions.facts import Work
from services.payments.engine.decisions.forced import check_forceable, check_to_try
from services.payments.engine.decisions.returns_and_refunds import check_refundable
from services.payments.model.adjustment import Adjusted, AdjustmentTooLarge
from services.payments.model.attempt import Attempt, AttemptState, Capabilities, Step
from services.payments.model.progress import STEP_OF_STATE
from services.payments.operators.decisions import (
    check_deployed,
    check_holdable,
    held_for,
    open_attempt,
)
from services.payments.operators.inspected import InspectedPayment
from services.payments.operators.verbs.forcing import to_ask_about
from services.shared.errors import Conflict, NotAllowedNow


class OperatorVerb(StrEnum):
    """The verbs of operators on one payment; the ends of their routes, where they have one."""

    RELEASE = ":release"
    RESOLVE = ":resolve"
    TRY = ":try"
    HOLD = ":hold"
    FORCE = ":force"
    REFUND = ":refund"
    CORRECT = ":correct"
    # It has no route: it is always proposed.
    ADJUST = ":adjust"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A payment as a verb would find it."""

    work: Work
    # Of the providers; empty where they are not known now.
    capabilities: Mapping[str, Capabilities]
    corrected_before: int = 0
    adjusted: Adjusted = field(default_factory=Adjusted)
    # Without all of its attempts no verb can be decided.
    is_readable: bool = True


def record_of(inspected: InspectedPayment, capabilities: Mapping[str, Capabilities]) -> Record:
    """The record of a payment that is shown. Events that wait in its inbox are not among it: the
    engine looks into them first, and a verb is refused with PAYMENT_BUSY until then."""
    payment, attempts = inspected.payment, inspected.attempts
    step = STEP_OF_STATE.get(payment.state)
    present = max((one for one in attempts if one.step is step), key=_rank, default=None)
    work = Work(
        payment=payment,
        attempt=present,
        inbox=(),
        lease_token=0,
        claimed_at=inspected.queued.now,
        earlier=tuple(one for one in attempts if one is not present),
    )
    return Record(
        work=work,
        capabilities=capabilities,
        corrected_before=inspected.corrected_before,
        adjusted=inspected.adjusted,
        is_readable="attempts" not in inspected.unreadable,
    )


def allowed_verbs(record: Record) -> Sequence[OperatorVerb]:
    """The verbs that are not refused by the record, whatever they are asked to do."""
    return [verb for verb, check in _CHECKS.items() if _is_allowed(check, record)]


def _rank(attempt: Attempt) -> tuple[bool, int]:
    """The last attempt at a step counts, or the one that has succeeded late."""
    succeeded = attempt.state is AttemptState.SUCCEEDED and attempt.step is not Step.REFUND
    return succeeded, attempt.number


def _is_allowed(check: Callable[[Record], object], record: Record) -> bool:
    try:
        check(record)
    except (Conflict, NotAllowedNow):
        return False
    return record.is_readable


def _resolve(record: Record) -> None:
    attempt = open_attempt(record.work)
    if record.capabilities:
        check_deployed(attempt, record.capabilities)


def _force(record: Record) -> None:
    check_forceable(record.work, record.capabilities)
    if record.capabilities:
        to_ask_about(record.work, record.capabilities)


def _adjust(record: Record) -> None:
    record.adjusted.check_open()
    if not record.adjusted.has_room:
        raise AdjustmentTooLarge


_CHECKS: Mapping[OperatorVerb, Callable[[Record], object]] = {
    OperatorVerb.RELEASE: lambda record: held_for(record.work),
    OperatorVerb.RESOLVE: _resolve,
    OperatorVerb.TRY: lambda record: check_to_try(record.work),
    OperatorVerb.HOLD: lambda record: check_holdable(record.work),
    OperatorVerb.FORCE: _force,
    OperatorVerb.REFUND: lambda record: check_refundable(record.work),
    OperatorVerb.CORRECT: lambda record: check_correctable(record.work, record.corrected_before),
    OperatorVerb.ADJUST: _adjust,
}
