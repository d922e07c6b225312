"""Plans a batch so that failures stay alone: a payment fails without the others of its batch, and
an event of the inbox without its payment."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.payments.base.errors import describe
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import InboxEvent, Plan, Work
from services.payments.engine.quarantine import EventFailure, Lease, StepFailure
from services.shared.errors import Unavailable
from services.shared.log import get_logger


@dataclass(kw_only=True)
class Planned:
    """The plans of a batch, and the failures of the others."""

    plans: list[Plan] = field(default_factory=list)
    failures: list[StepFailure] = field(default_factory=list)
    event_failures: list[EventFailure] = field(default_factory=list)


def plan_apart(decider: Decider, claimed: Sequence[Work]) -> Planned:
    """A plan for each payment that has one; never raises for any of them."""
    planned = Planned()
    for work in claimed:
        try:
            planned.plans.append(_plan(decider, work, planned))
        except Exception as error:  # noqa: BLE001 - the others go on
            get_logger().exception("step_failed", transaction_id=work.payment.transaction_id)
            planned.failures.append(failure_of(work, error))
    return planned


def failure_of(work: Work, error: BaseException) -> StepFailure:
    """The failure of a claimed payment's step."""
    return StepFailure(lease=lease_of(work), error=describe(error))


def is_unavailable(error: BaseException) -> bool:
    """Whether it says no more than that the database or another service cannot answer now."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_unavailable(inner) for inner in error.exceptions)
    return isinstance(error, Unavailable)


def lease_of(work: Work) -> Lease:
    """The lease that the work is done under."""
    return Lease(
        merchant_id=work.payment.merchant_id,
        payment_id=work.payment.id,
        token=work.lease_token,
    )


def without_events(work: Sequence[Work], error: str) -> tuple[list[Work], list[EventFailure]]:
    """The same work without its events, to which the error is counted."""
    failures = [_blame(event, error) for item in work for event in item.inbox]
    return [replace(item, inbox=()) for item in work], failures


def _plan(decider: Decider, work: Work, planned: Planned) -> Plan:
    try:
        return decider.plan(work)
    except Exception:
        if not work.inbox:
            raise
    # Planning is pure, so it is tried without the events, and then with one more at a time.
    plan = decider.plan(replace(work, inbox=()))
    used: tuple[InboxEvent, ...] = ()
    for event in work.inbox:
        try:
            plan = decider.plan(replace(work, inbox=(*used, event)))
            used = (*used, event)
        except Exception as error:  # noqa: BLE001 - the payment goes on
            get_logger().exception("event_failed", provider=event.provider, event_id=event.event_id)
            planned.event_failures.append(_blame(event, describe(error)))
    return plan


def _blame(event: InboxEvent, error: str) -> EventFailure:
    return EventFailure(provider=event.provider, event_id=event.event_id, error=error)
