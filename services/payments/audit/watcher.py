"""Watches, at a short interval and at once after a hold, how many payments wait for a person or
make no progress, and publishes it. All that it reads is found by indexes."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from services.payments.audit.auditor import METRICS, AuditMetrics
from services.payments.audit.watch import Sight
from services.payments.model.timing import WATCH_SECONDS
from services.shared.errors import Unavailable
from services.shared.log import get_logger

# After a look it rests for so many times as long as the look took: 5 % of the time at the most.
REST_FACTOR = 20


class Watch(Protocol):
    """The database, as the watcher reads it."""

    async def look(self) -> Sight:
        """How many are held and overdue, and how many events are about no payment of ours."""
        ...

    async def match_orphans(self) -> int:
        """Gives events to the payments that they are about; gives how many were found."""
        ...


class WatchMetrics:
    """The last look as numbers; a number that is not in it is not published."""

    def __init__(
        self, registry: CollectorRegistry = REGISTRY, held: AuditMetrics | None = None
    ) -> None:
        self._held = held or METRICS
        self._overdue = Gauge(
            "caravel_overdue_payments",
            "Payments that stand in a state for longer than is expected, or wait past their "
            "deadline.",
            ("state", "provider", "corridor", "age"),
            registry=registry,
        )
        self._orphans = Gauge(
            "caravel_orphans",
            "Verified events about no payment of ours, or no attempt of one.",
            ("provider",),
            registry=registry,
        )
        self._open = Gauge(
            "caravel_open_payments",
            "Payments that are not over, by the time since their creation; ON_HOLD where they are.",
            ("state", "provider", "corridor", "age"),
            registry=registry,
        )
        self._inbox = Gauge(
            "caravel_inbox_pending_events",
            "Verified events of providers that are not applied yet.",
            ("provider",),
            registry=registry,
        )
        self._inbox_oldest = Gauge(
            "caravel_inbox_oldest_pending_seconds",
            "How long the oldest has been.",
            ("provider",),
            registry=registry,
        )
        self._published: dict[Gauge, set[tuple[str, ...]]] = {}

    def publish(self, sight: Sight) -> None:
        """Puts a look in the place of the last one."""
        self._held.publish_waiting(sight)
        self._replace(
            self._overdue,
            {(o.state, o.provider, o.corridor_id, o.age): o.payments for o in sight.overdue},
        )
        self._replace(self._open, sight.open)
        inbox = {(one.provider,): one for one in sight.inbox}
        self._replace(self._inbox, {k: one.events for k, one in inbox.items()})
        self._replace(self._inbox_oldest, {k: one.oldest_seconds for k, one in inbox.items()})
        self._replace(self._orphans, {(name,): count for name, count in sight.orphans.items()})

    def _replace(self, gauge: Gauge, values: Mapping[tuple[str, ...], float]) -> None:
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        for labels in self._published.get(gauge, set()) - values.keys():
            gauge.remove(*labels)
        self._published[gauge] = set(values)


# Every process has one set of them.
WATCH_METRICS = WatchMetrics()


class Watcher:
    """Watches until it is stopped."""

    def __init__(
        self, watch: Watch, metrics: WatchMetrics, *, every_seconds: float = WATCH_SECONDS
    ) -> None:
        self._watch = watch
        self._metrics = metrics
        self._every_seconds = every_seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Has it look at once: a payment was put on hold."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """The first look is due at once."""
        while not stopping.is_set():
            self._wake.clear()
            rest = max(self._every_seconds, REST_FACTOR * await self.run_once())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), rest)

    async def run_once(self) -> float:
        """One look, published; gives the seconds that it took, also where it failed."""
        started = time.monotonic()
        try:
            if matched := await self._watch.match_orphans():
                get_logger().warning("orphans_matched", payments=matched)
            sight = await self._watch.look()
        except Unavailable as error:
            get_logger().warning("watch_waits", reason=str(error))
        except Exception:  # noqa: BLE001 - a look that failed must not end the worker
            get_logger().exception("watch_failed")
        else:
            self._metrics.publish(sight)
        return time.monotonic() - started
