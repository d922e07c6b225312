"""Held and overdue payments are published at once after a hold, and a failed look ends nothing."""

import asyncio

from prometheus_client import CollectorRegistry

from services.payments.audit.auditor import AuditMetrics
from services.payments.audit.report import Backlog, Held
from services.payments.audit.watch import Pending, Sight
from services.payments.audit.watcher import Watcher, WatchMetrics
from services.payments.engine.overdue import OverdueCount
from services.shared.errors import Unavailable

LATE = OverdueCount(
    state="PAYING_OUT", provider="flutterwave", corridor_id="us-ng", age="1h", payments=3
)


class _Watch:
    """The port Watch: gives one sight after another, and says when it is looked at."""

    def __init__(self, *sights: Sight | Exception) -> None:
        self._sights = list(sights)
        self.looked = asyncio.Queue[int]()

    async def look(self) -> Sight:
        self.looked.put_nowait(len(self._sights))
        sight = self._sights.pop(0)
        if isinstance(sight, Exception):
            raise sight
        return sight

    async def match_orphans(self) -> int:
        return 0


def _metrics() -> tuple[WatchMetrics, CollectorRegistry]:
    registry = CollectorRegistry()
    return WatchMetrics(registry, AuditMetrics(registry)), registry


def _sight(held: int = 0, *overdue: OverdueCount) -> Sight:
    reasons = [Held(reason="late_success", payments=held, oldest_seconds=1.0)] if held else []
    return Sight(
        held=reasons,
        overdue=overdue,
        waiting=[],
        set_aside={"inbox": held},
        backlog=Backlog(payments=held, oldest_seconds=2.0),
        open={("PAYING_OUT", "flutterwave", "us-ng", "1h"): 3} if overdue else {},
        inbox=[Pending(provider="stripe", events=4, oldest_seconds=9.0)] if overdue else [],
        orphans={"stripe": 2} if overdue else {},
    )


async def test_seen_numbers_are_published_and_gone_ones_are_not() -> None:
    metrics, registry = _metrics()
    watcher = Watcher(_Watch(_sight(1, LATE), _sight()), metrics)
    labels = {"state": "PAYING_OUT", "provider": "flutterwave", "corridor": "us-ng", "age": "1h"}

    await watcher.run_once()
    assert registry.get_sample_value("caravel_overdue_payments", labels) == 3
    assert registry.get_sample_value("caravel_held_payments", {"reason": "late_success"}) == 1
    assert registry.get_sample_value("caravel_orphans", {"provider": "stripe"}) == 2
    assert registry.get_sample_value("caravel_open_payments", labels) == 3
    pending = "caravel_inbox_pending_events"
    assert registry.get_sample_value(pending, {"provider": "stripe"}) == 4
    assert registry.get_sample_value("caravel_set_aside", {"kind": "inbox"}) == 1
    assert registry.get_sample_value("caravel_due_payments") == 1

    await watcher.run_once()
    assert registry.get_sample_value("caravel_overdue_payments", labels) is None
    assert registry.get_sample_value("caravel_open_payments", labels) is None
    assert registry.get_sample_value(pending, {"provider": "stripe"}) is None
    assert registry.get_sample_value("caravel_orphans", {"provider": "stripe"}) is None


async def test_a_hold_is_looked_at_at_once_whatever_failed_before() -> None:
    metrics, registry = _metrics()
    watch = _Watch(Unavailable("away"), RuntimeError("broken"), _sight(1))
    watcher, stopping = Watcher(watch, metrics, every_seconds=3_600), asyncio.Event()
    running = asyncio.create_task(watcher.run(stopping))

    for left in (3, 2, 1):
        assert await watch.looked.get() == left
        if left == 1:
            stopping.set()
        watcher.wake()
    await running

    assert registry.get_sample_value("caravel_held_payments", {"reason": "late_success"}) == 1
