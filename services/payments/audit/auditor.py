"""The audit that never ends: what `./caravel verify` asks once of all payments, a worker asks again
and again of a part of them and at last of all, and publishes as metrics. It changes nothing and
holds nobody up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from services.payments.audit.report import Backlog, Held, Report, Waits
from services.shared.log import get_logger, without_values

# After a run it rests for so many times as long as the run took: 5 % of the time at the most.
REST_FACTOR = 20


class Audit(Protocol):
    """Where the reports come from."""

    async def report_part_unless_running(self) -> Report | None:
        """The next part's report of this moment, or the whole's; None where another process is
        making one."""
        ...


class Seen(Protocol):
    """All that waits at one moment."""

    @property
    def held(self) -> Sequence[Held]:
        """For a person, by reason."""
        ...

    @property
    def waiting(self) -> Sequence[Waits]:
        """For a person or a merchant, with a deadline."""
        ...

    @property
    def set_aside(self) -> Mapping[str, int]:
        """Dead letters, by kind."""
        ...

    @property
    def backlog(self) -> Backlog:
        """For a worker."""
        ...


class AuditMetrics:
    """The last report as numbers; people and accounts that are not in it are not published."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def gauge(name: str, words: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"caravel_{name}", words, labels, registry=registry)

        self._violations = gauge("audit_violations", "Violations, by invariant.", ("invariant",))
        self._seconds = gauge("audit_seconds", "How long the last audit took.")
        self._time = gauge("audit_last_run_timestamp_seconds", "When the last audit ended.")
        self._balances = gauge(
            "balance_minor", "Debits less credits, in minor units.", ("account", "currency")
        )
        self._held = gauge("held_payments", "Payments that wait for a person.", ("reason",))
        self._held_oldest = gauge("held_oldest_seconds", "How long the oldest has.", ("reason",))
        self._waiting = gauge(
            "waiting_payments",
            "Payments that wait for the merchant or for us: ACTION_REQUIRED, RETURNED, "
            "PARTLY_REFUNDED, ON_HOLD.",
            ("state",),
        )
        self._waiting_oldest = gauge(
            "waiting_oldest_seconds", "How long the oldest has.", ("state",)
        )
        self._past_deadline = gauge(
            "past_deadline_payments",
            "Payments that have waited longer than they may; alarm on any.",
            ("state",),
        )
        self._set_aside = gauge("set_aside", "Dead letters that wait for a person.", ("kind",))
        self._due = gauge("due_payments", "Payments that are due and claimed by nobody.")
        self._due_oldest = gauge("due_oldest_seconds", "How long the oldest has been.")
        self._trail = gauge("operator_actions_chained", "Entries of the chain of actions.")
        self._trail_head = gauge(
            "operator_actions_head",
            "The first 13 hexadecimal digits of its last hash, as a number.",
        )
        self._published: dict[Gauge, set[tuple[str, ...]]] = {}

    def publish(self, report: Report, seconds: float) -> None:
        """Puts a report in the place of the last one."""
        # An invariant that needs a look at everything keeps the finding of the last such look.
        for finding in report.findings:
            self._violations.labels(finding.identifier).set(finding.violations)
        self._replace(
            self._balances, {(b.account, b.currency): b.balance_minor for b in report.balances}
        )
        self.publish_waiting(report)
        if report.trail is not None:
            self._trail.set(report.trail.sequence)
            # So many digits are exact in the numbers of Prometheus.
            self._trail_head.set(int(report.trail.sha256[:13], 16))
        self._seconds.set(seconds)
        self._time.set_to_current_time()

    def publish_waiting(self, seen: Seen) -> None:
        """Puts what waits for a person or a worker in the place of what did."""
        self._replace(self._held, {(h.reason,): h.payments for h in seen.held})
        self._replace(self._held_oldest, {(h.reason,): h.oldest_seconds for h in seen.held})
        waiting = {(w.waiting,): w for w in seen.waiting}
        self._replace(self._waiting, {k: w.payments for k, w in waiting.items()})
        self._replace(self._waiting_oldest, {k: w.oldest_seconds for k, w in waiting.items()})
        self._replace(self._past_deadline, {k: w.past_deadline for k, w in waiting.items()})
        self._replace(self._set_aside, {(kind,): n for kind, n in seen.set_aside.items()})
        self._due.set(seen.backlog.payments)
        self._due_oldest.set(seen.backlog.oldest_seconds)

    def _replace(self, gauge: Gauge, values: Mapping[tuple[str, ...], float]) -> None:
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        for labels in self._published.get(gauge, set()) - values.keys():
            gauge.remove(*labels)
        self._published[gauge] = set(values)


# Every process has one set of them.
METRICS = AuditMetrics()


class Auditor:
    """Audits at intervals, until it is cancelled."""

    def __init__(
        self,
        audit: Audit,
        metrics: AuditMetrics,
        *,
        every_seconds: float,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._audit = audit
        self._metrics = metrics
        self._every_seconds = every_seconds
        self._wait = wait

    async def run(self) -> None:
        """The first audit is due at once."""
        while True:
            await self._wait(max(self._every_seconds, REST_FACTOR * await self.run_once()))

    async def run_once(self) -> float:
        """One audit, published; gives the seconds that it took, also where it failed."""
        started = time.monotonic()
        try:
            report = await self._audit.report_part_unless_running()
        except Exception as error:  # noqa: BLE001 - a look that failed must not end the worker
            reason = f"{type(error).__name__}: {without_values(str(error))}"
            get_logger().warning("audit_failed", reason=reason)
            report = None
        seconds = time.monotonic() - started
        if report is not None:
            self._metrics.publish(report, seconds)
            for finding in report.broken:
                get_logger().error(
                    "invariant_broken",
                    invariant=finding.invariant,
                    violations=finding.violations,
                    examples=finding.examples,
                )
        return seconds
