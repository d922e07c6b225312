"""The worker's second loop: claims events that endpoints are to be sent, sends them outside any
transaction, and records their answers. An event is marked as delivered only after its answer, so
that one which was sent and not marked is sent again, under the same id."""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from uuid import UUID

from prometheus_client import Counter, Gauge

from services.payments.model.timing import (
    DELIVER_EVERY_SECONDS,
    DELIVERY_STOP_SECONDS,
    OUTBOX_LATE_SECONDS,
    OUTBOX_MEASURE_SECONDS,
)
from services.payments.webhooks_out.delivery import (
    Delivery,
    DeliveryState,
    Reply,
    TryResult,
    Waiting,
    give_up,
    result_of,
)
from services.payments.webhooks_out.ports import EventSender, Outbox
from services.shared.errors import Unavailable
from services.shared.ids import Prefix, encode_id
from services.shared.log import get_logger

DELIVERED = Counter("caravel_outbox_delivered_total", "Events that an endpoint has taken.")
FAILED = Counter("caravel_outbox_failed_total", "Tries that failed, and are made again.")
SET_ASIDE = Counter("caravel_outbox_set_aside_total", "Events given up after their last try.")
FENCED = Counter("caravel_outbox_fenced_total", "Results dropped because the lease had moved on.")
OLDEST = Gauge("caravel_outbox_oldest_pending_seconds", "Age of the oldest undelivered event.")
PENDING = Gauge("caravel_outbox_pending_events", "Undelivered events.")
# Endpoints are as many as merchants want: so many are published, and none that keeps up.
LATE_ENDPOINTS_MAX = 20
LATE = Gauge(
    "caravel_outbox_late_events",
    f"Undelivered events of an endpoint that has waited for {OUTBOX_LATE_SECONDS:g} seconds, of at "
    f"most {LATE_ENDPOINTS_MAX} endpoints.",
    ["merchant", "endpoint"],
)
LATE_OLDEST = Gauge(
    "caravel_outbox_late_oldest_seconds",
    "Age of the oldest undelivered event of such an endpoint.",
    ["merchant", "endpoint"],
)
# A slow endpoint keeps this many senders busy and no more.
UNDER_WAY_EACH = 64
UNDER_WAY_MAX = 512

Tried = tuple[Delivery, TryResult]


class Deliverer:
    """Delivers events, of any number at once; each is under way at most once at a time."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        sender: EventSender,
        spread: Callable[[], float],
        lease_seconds: float,
        send_seconds: float,
        poll_seconds: float,
    ) -> None:
        """send_seconds is the longest that a send takes; spread is evenly in [0, 1)."""
        self._outbox = outbox
        self._sender = sender
        self._spread = spread
        self._lease_seconds = lease_seconds
        self._send_seconds = send_seconds
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._busy: Tally[UUID] = Tally()
        self._sending: set[asyncio.Task[None]] = set()
        self._measured_at = 0.0
        # Tried, and not recorded yet.
        self._results: list[Tried] = []

    def wake(self) -> None:
        """Makes it look for due events at once."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Delivers until it is stopped, then waits a little for the deliveries under way.

        It waits for a database that is away; it remembers nothing that is not in the database.
        """
        while not stopping.is_set():
            self._wake.clear()
            try:
                await self._settle_results()
                await self._claim()
                await self._measure()
            except Exception:  # noqa: BLE001 - the next claim reads the database again
                get_logger().exception("outbox_claim_failed")
            # A claim leaves events behind only where it has no place; a finished delivery wakes us.
            await asyncio.sleep(DELIVER_EVERY_SECONDS)
            await self._wait()
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=DELIVERY_STOP_SECONDS)
            for task in late:
                task.cancel()
        await self._settle_results()

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), self._poll_seconds)
        except TimeoutError:
            return

    async def _claim(self) -> None:
        limit = UNDER_WAY_MAX - len(self._sending)
        if limit <= 0:
            return
        # Read before the claim, so that our own clock never grants more than the lease.
        start_by = _now() + self._lease_seconds - self._send_seconds
        claimed = await self._outbox.claim(
            self._busy, each=UNDER_WAY_EACH, limit=limit, lease_seconds=self._lease_seconds
        )
        for delivery in claimed:
            self._busy[delivery.endpoint_id] += 1
            task = asyncio.create_task(self._deliver(delivery, start_by))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _deliver(self, delivery: Delivery, start_by: float) -> None:
        try:
            result = await self._try(delivery, start_by)
            if result is not None:
                self._results.append((delivery, result))
        finally:
            self._busy[delivery.endpoint_id] -= 1
            self._busy += Tally()
            self.wake()

    async def _settle_results(self) -> None:
        results, self._results = self._results, []
        if results:
            await self._settle(results)

    async def _settle(self, results: Sequence[Tried]) -> None:
        """Records the results; one that cannot be written does not stop the others."""
        try:
            standing = await self._outbox.settle(results)
        except Exception as error:  # noqa: BLE001 - the lease runs out and the event is sent again
            if len(results) > 1 and not isinstance(error, Unavailable):
                middle = len(results) // 2
                await self._settle(results[:middle])
                await self._settle(results[middle:])
                return
            get_logger().exception("settle_failed", event_ids=[d.event_id for d, _ in results])
            return
        for (delivery, result), stands in zip(results, standing, strict=True):
            _report(delivery, result, standing=stands)

    async def _try(self, delivery: Delivery, start_by: float) -> TryResult | None:
        if delivery.endpoint_disabled:
            return give_up(delivery)
        if _now() > start_by:
            # We were stopped, and another worker may have the event by now.
            return None
        try:
            reply = await self._sender.send(delivery)
        except Exception as error:  # noqa: BLE001 - an event that cannot be sent is set aside in the end
            get_logger().exception("event_not_sendable", event_id=delivery.event_id)
            reply = Reply(error=type(error).__name__)
        return result_of(delivery, reply, self._spread)

    async def _measure(self) -> None:
        if _now() - self._measured_at >= OUTBOX_MEASURE_SECONDS:
            self._measured_at = _now()
            publish_waiting(*await self._outbox.waiting(limit=LATE_ENDPOINTS_MAX))


def publish_waiting(events: int, longest: Sequence[Waiting]) -> None:
    """Puts what waits in the place of what did: in all, and at the endpoints that are late."""
    PENDING.set(events)
    OLDEST.set(max((one.oldest_seconds for one in longest), default=0))
    LATE.clear()
    LATE_OLDEST.clear()
    for one in longest:
        if one.oldest_seconds >= OUTBOX_LATE_SECONDS:
            labels = (one.merchant_id, encode_id(Prefix.ENDPOINT, one.endpoint_id))
            LATE.labels(*labels).set(one.events)
            LATE_OLDEST.labels(*labels).set(one.oldest_seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _report(delivery: Delivery, result: TryResult, *, standing: bool) -> None:
    if not standing:
        FENCED.inc()
        return
    counters = {DeliveryState.DELIVERED: DELIVERED, DeliveryState.SET_ASIDE: SET_ASIDE}
    counters.get(result.state, FAILED).inc()
    if result.state is not DeliveryState.DELIVERED:
        get_logger().warning(
            "event_not_delivered",
            event_id=delivery.event_id,
            endpoint_id=str(delivery.endpoint_id),
            state=result.state,
            failures=result.failures,
            reason=result.last_error,
        )
