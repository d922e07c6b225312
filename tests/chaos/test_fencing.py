"""A worker that is stopped in the middle of its work for three leases, while another one finishes
it: continued, it changes nothing that it no longer owns and sends nothing new."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiohttp import ClientSession

from tests.chaos.case_audit import Books, is_settled, read_books
from tests.chaos.cases import PAID, outcome_of, reference_of
from tests.chaos.failpoints import Case
from tests.chaos.mesh import ChaosMesh
from tests.chaos.sweep import ask, verify
from tests.chaos.swept_mesh import LEASE_SECONDS, swept_mesh

PATIENCE_SECONDS = 60.0
# Where the first worker is stopped, at all of them in the same instant: before the mark, between
# the mark and the first byte, with a look-up's answer in hand, with a result in hand.
STOPPED_FIRST = [
    *(Case("W2a", step, "stop") for step in ("collection", "payout", "refund")),
    *(Case("S1", step, "stop") for step in ("collection", "payout", "refund")),
    *(Case("K1", step, "stop") for step in ("collection", "payout")),
]
# While it stands, no other result is recorded, so it comes when the others have come.
STOPPED_LAST = Case("W5", "payout", "stop")
STOPPED = [*STOPPED_FIRST, STOPPED_LAST]
EXECUTE = (
    'caravel_rpc_seconds_count{code="OK",method="/caravel.providers.v1.ProviderService/Execute"}'
)


async def test_a_worker_stopped_for_three_leases_changes_and_sends_nothing(tmp_path: Path) -> None:
    async with swept_mesh(tmp_path, workers=2, claim_max=1, under_way_max=16, lives={}) as swept:
        mesh, failpoints = swept
        failpoints.stop_together(len(STOPPED))
        # The first worker is to have them all.
        mesh.pause("worker-2")
        async with ClientSession(mesh.rest_url) as session:
            await asyncio.gather(*(ask(session, failpoints, case, 10) for case in STOPPED_FIRST))
            names = {case.name for case in STOPPED_FIRST}
            await _until(lambda: names <= failpoints.fired(), "the others are at their points")
            await ask(session, failpoints, STOPPED_LAST, 10)
        await _until(lambda: _is_stopped(mesh.children["worker-1"].pid), "the first one stops")
        stopped_at = time.monotonic()
        mesh.resume("worker-2")
        await asyncio.sleep(3 * LEASE_SECONDS)
        before, sent_before = await _until_settled(mesh), await _metric(mesh, "providers", EXECUTE)
        assert time.monotonic() - stopped_at >= 3 * LEASE_SECONDS

        mesh.resume("worker-1")
        await _until_idle(mesh)

        after, sent_after = await _books(mesh), await _metric(mesh, "providers", EXECUTE)
        fenced = await _metric(mesh, "worker-1", "caravel_worker_fenced_total")
        code, verified = await verify(mesh)
    assert mesh.deaths == []
    assert sent_after == sent_before
    assert after == before
    # All but the result in hand, whose transaction the database has ended meanwhile.
    assert fenced == len(STOPPED) - 1
    for case in STOPPED:
        assert list(after.complaints(reference_of(case), outcome_of(case))) == [], case.name
    assert code == 0, verified


def _is_stopped(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state == "T"


async def _until(so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
        await asyncio.sleep(0.1)


async def _books(mesh: ChaosMesh) -> Books:
    return await read_books(mesh.owner_url, mesh.simulator_url)


async def _until_settled(mesh: ChaosMesh) -> Books:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        books = await _books(mesh)
        payments = [payment for found in books.payments.values() for payment in found]
        if len(payments) == len(STOPPED) and all(is_settled(one, PAID) for one in payments):
            return books
        assert time.monotonic() < deadline, [dict(payment) for payment in payments]
        await asyncio.sleep(0.5)


async def _until_idle(mesh: ChaosMesh) -> None:
    """Waits until the first worker has come to the end of all that it was doing."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await _metric(mesh, "worker-1", "caravel_worker_under_way"):
        assert time.monotonic() < deadline, "the first worker does not finish"
        await asyncio.sleep(0.5)


async def _metric(mesh: ChaosMesh, name: str, metric: str) -> float:
    url = f"http://127.0.0.1:{mesh.children[name].spec.metrics_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        text = await answer.text()
    found = re.search(rf"^{re.escape(metric)} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])
