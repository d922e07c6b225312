"""The overview as operators see it."""

from dataclasses import asdict

from caravel.payments.v1 import overview_pb2

from services.payments.base.convert import optional_timestamp, timestamp
from services.payments.model.quote import RateTrail
from services.payments.operators.overview import (
    CompletionTime,
    Overview,
    ProviderInbox,
    Queue,
    UnderWay,
    WaitingPayments,
)
from services.shared.errors import DomainError


def write_overview(overview: Overview) -> overview_pb2.Overview:
    """The message of the overview; amounts are US dollars as decimal text."""
    standing = overview.standing
    return overview_pb2.Overview(
        seen_at=timestamp(standing.seen_at),
        under_way=[_write_under_way(one) for one in standing.under_way],
        overdue=[overview_pb2.OverdueCount(**asdict(one)) for one in standing.overdue],
        waiting=[_write_waiting(one) for one in standing.waiting],
        completion=_write_completion(standing.completion),
        corridors=[overview_pb2.CorridorSuccess(**asdict(one)) for one in standing.corridors],
        payments_counted_from=timestamp(standing.payments_counted_from),
        providers=_write_providers(overview),
        providers_counted_from=timestamp(standing.providers_counted_from),
        queues=[_write_queue(one) for one in standing.queues],
        inbox=[_write_inbox(one) for one in standing.inbox],
        failing_webhooks=overview_pb2.FailingWebhooks(
            endpoints=standing.failing_endpoints, events=standing.failing_events
        ),
        rates=[_write_rate(corridor_id, rate) for corridor_id, rate in overview.rates.items()],
        is_partial=standing.is_partial,
    )


def _write_providers(overview: Overview) -> list[overview_pb2.ProviderSuccess]:
    """Those with attempts, and those that are sent some or none."""
    seen_at = overview.standing.seen_at
    rows = {
        (one.provider, one.step): overview_pb2.ProviderSuccess(**asdict(one))
        for one in overview.standing.providers
    }
    for breaker in overview.breakers or ():
        place = (breaker.provider, breaker.step.value)
        row = rows.setdefault(place, overview_pb2.ProviderSuccess(provider=place[0], step=place[1]))
        row.breaker = breaker.state
        row.breaker_since.CopyFrom(timestamp(seen_at - breaker.lasts))
    return [rows[place] for place in sorted(rows)]


def _write_under_way(group: UnderWay) -> overview_pb2.UnderWay:
    return overview_pb2.UnderWay(
        state=group.state,
        age=group.age,
        payments=group.payments,
        amount_usd=str(group.amount),
    )


def _write_waiting(group: WaitingPayments) -> overview_pb2.WaitingPayments:
    return overview_pb2.WaitingPayments(
        waiting_for=group.waiting_for,
        hold_reason=group.hold_reason,
        payments=group.payments,
        amount_usd=str(group.amount),
        oldest_since=optional_timestamp(group.oldest_since),
        past_deadline=group.past_deadline,
    )


def _write_completion(completion: CompletionTime) -> overview_pb2.CompletionTime:
    return overview_pb2.CompletionTime(
        payments=completion.payments,
        median_seconds=completion.median.total_seconds(),
        p95_seconds=completion.p95.total_seconds(),
    )


def _write_queue(queue: Queue) -> overview_pb2.Queue:
    return overview_pb2.Queue(
        name=queue.name,
        waiting=queue.waiting,
        oldest_seconds=queue.oldest.total_seconds(),
        set_aside=queue.set_aside,
    )


def _write_inbox(inbox: ProviderInbox) -> overview_pb2.ProviderInbox:
    return overview_pb2.ProviderInbox(
        provider=inbox.provider,
        waiting=inbox.waiting,
        oldest_seconds=inbox.oldest.total_seconds(),
        set_aside=inbox.set_aside,
        orphans=inbox.orphans,
    )


def _write_rate(corridor_id: str, rate: RateTrail | DomainError) -> overview_pb2.RateAge:
    if isinstance(rate, DomainError):
        return overview_pb2.RateAge(corridor_id=corridor_id, unavailable_reason=rate.error_reason)
    return overview_pb2.RateAge(
        corridor_id=corridor_id,
        source=rate.source,
        observed_at=timestamp(rate.observed_at),
        synthetic=rate.synthetic,
    )
