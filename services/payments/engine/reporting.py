"""The report of committed changes: a line of the log for each event, under the payment's own trace,
and a warning with its evidence for each payment that is put on hold."""

from collections.abc import Collection, Iterable
from uuid import UUID

from prometheus_client import Counter

from services.payments.engine.decisions.facts import Change
from services.payments.model.causes import HELD_FOR
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Event, Payment
from services.shared import tracing
from services.shared.ids import Prefix, encode_id
from services.shared.log import get_logger

HOLDS = Counter("caravel_worker_held_total", "Payments put on hold.", ["reason"])
FAILED = Counter("caravel_worker_step_failures_total", "Steps that broke down on our side.")
# The evidence that goes into the log; a provider's own words may name people.
_SAID = (
    "provider",
    "key",
    "provider_reference",
    "event_id",
    "expected",
    "stated",
    "failure_code",
    "held_before",
    "also_succeeded",
)


def report_changes(changes: Iterable[Change]) -> int:
    """Says what has happened to each payment; gives how many were put on hold."""
    held = 0
    for change in changes:
        for event in change.events:
            _trace(change.payment, event)
            reason = HELD_FOR.get(event.cause)
            if reason is None:
                _report_event(change.payment, event)
            else:
                held += 1
                _report_hold(change.payment, event, reason)
    return held


def report_failures(failed: int, held: Collection[UUID]) -> None:
    """Counts steps that broke down, and says which payments are set aside for it."""
    FAILED.inc(failed)
    for payment_id in held:
        HOLDS.labels(HoldReason.STEP_FAILED).inc()
        get_logger().error("step_set_aside", transaction_id=encode_id(Prefix.PAYMENT, payment_id))


def _trace(payment: Payment, event: Event) -> None:
    tracing.record(
        f"event {event.cause}",
        payment.trace_id,
        transaction_id=payment.transaction_id,
        from_state=event.from_state or "",
        to_state=event.to_state,
    )


def _report_event(payment: Payment, event: Event) -> None:
    get_logger().info(
        "payment_event",
        transaction_id=payment.transaction_id,
        trace_id=payment.trace_id,
        from_state=event.from_state,
        to_state=event.to_state,
        cause=event.cause,
    )


def _report_hold(payment: Payment, event: Event, reason: HoldReason) -> None:
    HOLDS.labels(reason).inc()
    get_logger().warning(
        "payment_held",
        transaction_id=payment.transaction_id,
        trace_id=payment.trace_id,
        state=event.to_state,
        reason=reason,
        **{name: event.evidence[name] for name in _SAID if name in event.evidence},
    )
