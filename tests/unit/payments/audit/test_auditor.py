"""The audit beside the work: what it publishes, how seldom it runs, and that it survives whatever
becomes of a run."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from services.payments.audit.auditor import REST_FACTOR, AuditMetrics, Auditor
from services.payments.audit.report import Backlog, Balance, Finding, Held, Report, Waits
from services.shared.errors import Unavailable
from tests.logs import logged

SOUND = Report(
    findings=[Finding(invariant="all is well", violations=0, examples=())],
    balances=[Balance(account="onramp:stripe:USD", currency="USD", balance_minor=-12)],
    held=[Held(reason="late_funds", payments=2, oldest_seconds=90.0)],
    waiting=[Waits(waiting="RETURNED", payments=5, past_deadline=1, oldest_seconds=60.0)],
    set_aside={"inbox": 3},
    backlog=Backlog(payments=4, oldest_seconds=1.5),
)
BROKEN = Report(
    findings=[Finding(invariant="all is well", violations=7, examples=("pay_1", "pay_2"))],
    balances=[],
    held=[],
    waiting=[],
    set_aside={"inbox": 0},
    backlog=Backlog(payments=0, oldest_seconds=0.0),
)


class ScriptedAudit:
    """Gives these reports in turn, or raises them."""

    def __init__(self, *reports: Report | Exception | None) -> None:
        self._reports = list(reports)

    async def report_part_unless_running(self) -> Report | None:
        report = self._reports.pop(0)
        if isinstance(report, Exception):
            raise report
        return report


def _auditor(*reports: Report | Exception | None) -> tuple[Auditor, CollectorRegistry]:
    registry = CollectorRegistry()
    audit = ScriptedAudit(*reports)
    return Auditor(audit, AuditMetrics(registry), every_seconds=60), registry


async def test_a_waiting_payment_is_published_with_its_age_until_it_waits_no_more() -> None:
    auditor, registry = _auditor(SOUND, BROKEN)
    names = ("waiting_payments", "waiting_oldest_seconds", "past_deadline_payments")

    def values() -> list[float | None]:
        returned = {"state": "RETURNED"}
        return [registry.get_sample_value(f"caravel_{name}", returned) for name in names]

    await auditor.run_once()
    assert values() == [5, 60, 1]
    await auditor.run_once()
    assert values() == [None, None, None]


async def test_a_report_is_published_as_numbers() -> None:
    auditor, registry = _auditor(SOUND)

    await auditor.run_once()

    value = registry.get_sample_value
    account = {"account": "onramp:stripe:USD", "currency": "USD"}
    assert value("caravel_audit_violations", {"invariant": "all_is_well"}) == 0
    assert value("caravel_balance_minor", account) == -12
    assert value("caravel_held_payments", {"reason": "late_funds"}) == 2
    assert value("caravel_held_oldest_seconds", {"reason": "late_funds"}) == 90
    assert value("caravel_set_aside", {"kind": "inbox"}) == 3
    assert (value("caravel_due_payments"), value("caravel_due_oldest_seconds")) == (4, 1.5)
    assert value("caravel_audit_last_run_timestamp_seconds")


async def test_a_figure_that_is_gone_is_no_longer_published() -> None:
    auditor, registry = _auditor(SOUND, BROKEN)

    await auditor.run_once()
    await auditor.run_once()

    assert registry.get_sample_value("caravel_held_payments", {"reason": "late_funds"}) is None
    assert registry.get_sample_value("caravel_set_aside", {"kind": "inbox"}) == 0


async def test_a_broken_invariant_is_one_error_with_examples() -> None:
    auditor, registry = _auditor(BROKEN)

    with logged("worker") as lines:
        await auditor.run_once()

    (line,) = lines()
    assert (line["event"], line["level"]) == ("invariant_broken", "error")
    assert (line["violations"], line["examples"]) == (7, ["pay_1", "pay_2"])
    value = registry.get_sample_value("caravel_audit_violations", {"invariant": "all_is_well"})
    assert value == 7


@pytest.mark.parametrize(
    ("nothing", "warnings"),
    [
        (Unavailable("away"), ["audit_failed"]),
        (RuntimeError("a bug"), ["audit_failed"]),
        (None, []),
    ],
)
async def test_a_run_without_a_report_leaves_the_last_one_and_goes_on(
    nothing: Exception | None, warnings: list[str]
) -> None:
    auditor, registry = _auditor(SOUND, nothing, SOUND)

    with logged("worker") as lines:
        for _ in range(3):
            await auditor.run_once()

    assert [line["event"] for line in lines()] == warnings
    assert registry.get_sample_value("caravel_due_payments") == 4


@pytest.mark.parametrize(
    ("took_seconds", "rest_seconds"), [(0.0, 60.0), (3.0, 60.0), (9.0, 9.0 * REST_FACTOR)]
)
async def test_it_rests_its_interval_and_twenty_times_what_it_took(
    took_seconds: float, rest_seconds: float
) -> None:
    rests: list[float] = []

    class Timed(Auditor):
        async def run_once(self) -> float:
            return took_seconds

    async def wait(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 2:
            raise asyncio.CancelledError

    metrics = AuditMetrics(CollectorRegistry())
    auditor = Timed(ScriptedAudit(), metrics, every_seconds=60, wait=wait)
    with pytest.raises(asyncio.CancelledError):
        await auditor.run()

    assert rests == [rest_seconds] * 2
