"""The crash-point sweep: every case is a payment of one real mesh, many side by side; then all is
healed and drained, and both books are asked. `python -m tests.chaos.sweep --only 'W4-*'`."""

import argparse
import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import aiohttp
import asyncpg

from deploy.local.mesh.processes import environment
from tests.chaos import lives, swept_merchant
from tests.chaos.case_audit import Books, is_settled, read_books, read_payments
from tests.chaos.cases import (
    CURRENCIES,
    PAYER,
    POINTS,
    WITH_REFUSED_RECIPIENT,
    every_case,
    outcome_of,
    preempted_outcome_of,
    reference_of,
    shown_point,
)
from tests.chaos.failpoints import HANG_SECONDS, Case, Failpoints
from tests.chaos.mesh import ChaosMesh
from tests.chaos.progress import Progress
from tests.chaos.receiver import Receiver, is_genuine, read
from tests.chaos.swept_mesh import UNDER_WAY_MAX, settings_of, swept_mesh

STRUCK = ("gateway", "fees", "fx")
# A mesh in which nothing changes for so long has lost it: longer than any rest of a payment whose
# step broke down four times, and than several leases in a row.
QUIET_SECONDS = 180.0
# A point that has not fired so long after its payment was settled never will.
FIRES_WITHIN_SECONDS = 10.0
ANSWER_SECONDS = 8.0
# A replay's time is counted from its turn.
REPLAYS_AT_ONCE = 16
# Shorter than the gateway's failpoint keeps the answer from a client that is to hang up.
HANG_UP_SECONDS = 1.0
# The actions of each wave, and how many payments a worker has at a time. Cases that raise or hang
# kill no process, so both can run at once, and many must be able to hang; an exit strikes all that
# its worker has.
WAVES = ((("raise", "hang"), UNDER_WAY_MAX), (("exit",), 1))
# Turns of a case whose payment another case's exit has kept from its own point.
TURNS_MAX = 3

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """The result of one case."""

    case: Case
    seconds: float
    outcome: str
    complaints: tuple[str, ...]


class Sweep:
    """Runs cases on a mesh."""

    def __init__(self, mesh: ChaosMesh, failpoints: Failpoints, say: Say) -> None:
        """The merchant's own receipts are kept beside the failpoints."""
        self._mesh = mesh
        self._failpoints = failpoints
        self._say = say
        self._began: dict[Case, float] = {}
        self._settled: dict[Case, float] = {}
        self._answers: dict[Case, str] = {}
        self._receipts = mesh.data_dir / "receipts"
        self._secret = ""
        # The turns of cases whose payment came past its point another way.
        self._preempted: set[Case] = set()
        self._further: list[Case] = []
        # By reference, at the last look.
        self._payments: Mapping[str, Sequence[asyncpg.Record]] = {}
        # Creations, and the merchants' later actions.
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, cases: Sequence[Case]) -> list[CaseResult]:
        """All waves, then the audit: a finding for every payment, in the order of the cases."""
        naming = asyncio.create_task(self._name_processes())
        try:
            async with Receiver(self._receipts, Random(0), misbehaves=0.0) as merchant:
                await self._listen(merchant.url)
                for actions, under_way_max in WAVES:
                    if wave := [case for case in cases if case.action in actions]:
                        if under_way_max != UNDER_WAY_MAX:
                            self._renew_workers(under_way_max)
                        await self._wave(wave)
                await self._mesh.healthy()
                ran = [one for case in cases for one in (case, *self._turns_of(case))]
                return await self._audit(ran)
        finally:
            naming.cancel()

    def _turns_of(self, case: Case) -> list[Case]:
        return [one for one in self._further if replace(one, turn=case.turn) == case]

    async def _listen(self, url: str) -> None:
        """Makes the merchant's endpoint."""
        async with (
            aiohttp.ClientSession(self._mesh.rest_url) as session,
            session.post("/api/webhook-endpoints", json={"url": url}) as answer,
        ):
            answer.raise_for_status()
            self._secret = (await answer.json())["secret"]

    def _renew_workers(self, under_way_max: int) -> None:
        """Others, with so many places, in place of those that the mesh has started."""
        settings = settings_of(self._failpoints.folder, "worker-1")
        variables = {"UNDER_WAY_MAX": str(under_way_max)}
        lives.renew(self._mesh.children["worker-1"].pid, settings, variables)

    async def _wave(self, cases: Sequence[Case]) -> None:
        started = time.monotonic()
        self._say(f"{len(cases)} cases: {' and '.join(sorted({c.action for c in cases}))}")
        async with aiohttp.ClientSession(self._mesh.rest_url) as session:
            self._begin(self._create_all(session, cases))
            await self._drain(session, [*cases], started)
            for task in self._tasks:
                task.cancel()
            self._tasks.clear()
        if any(case.action == "hang" for case in cases):
            # Processes that still hang must come back before anything is checked.
            await asyncio.sleep(max(0.0, self._last_firing() + HANG_SECONDS + 1 - time.time()))
        self._say(f"drained after {time.monotonic() - started:.0f} s")

    async def _create_all(self, session: aiohttp.ClientSession, cases: Sequence[Case]) -> None:
        """Those that block creation when everything else has been created."""
        blocking = [case for case in cases if case.point[0] in "AF"]
        others = [case for case in cases if case.point[0] not in "AF"]
        for some in (others, blocking):
            await asyncio.gather(*(self._create(session, case) for case in some))

    async def _create(self, session: aiohttp.ClientSession, case: Case) -> None:
        """Asks with the same key until there is an answer, as a client must."""
        self._began[case] = time.monotonic()
        patience = ANSWER_SECONDS
        if case.point == "A3" and case.action == "raise":
            patience = HANG_UP_SECONDS
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                if answer := await ask(session, self._failpoints, case, patience):
                    break
            patience = ANSWER_SECONDS
            await asyncio.sleep(0.3)
        self._answers[case] = answer
        state = partial(self._state_of, case)
        self._begin(swept_merchant.act(session, self._mesh, case, answer, state))

    def _state_of(self, case: Case) -> str:
        """The state of the payment at the last look."""
        found = self._payments.get(reference_of(case), [])
        return found[0]["state"] if found else ""

    def _begin(self, action: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(action))

    def _raise_errors(self) -> None:
        """Those of our own side, which nobody else would see."""
        for task in [task for task in self._tasks if task.done()]:
            task.result()
            self._tasks.remove(task)

    async def _drain(
        self, session: aiohttp.ClientSession, cases: list[Case], started: float
    ) -> None:
        """Waits until every case has fired and its payment is where it stays, or until nothing
        changes any more."""
        progress, said_at = Progress(), time.monotonic()
        while progress.quiet_seconds < QUIET_SECONDS:
            await asyncio.sleep(0.5)
            self._raise_errors()
            self._payments = await read_payments(self._mesh.owner_url)
            fired = self._failpoints.fired()
            self._note_settled(cases)
            for case in self._further_turns(cases, fired):
                cases.append(case)
                self._begin(self._create(session, case))
            missing = [case.name for case in cases if not self._is_over(case, fired)]
            if not missing:
                return
            versions = {one["id"]: one["version"] for one in chain(*self._payments.values())}
            progress.note((missing, fired, versions))
            if time.monotonic() - said_at > 10:
                said_at = time.monotonic()
                few = ", ".join(missing[:4])
                self._say(f"{said_at - started:4.0f} s: {len(missing)} to go: {few}")

    def _note_settled(self, cases: Sequence[Case]) -> None:
        for case in cases:
            found = self._payments.get(reference_of(case), [])
            if found and all(is_settled(one, outcome_of(case)) for one in found):
                self._settled.setdefault(case, time.monotonic())

    def _further_turns(self, cases: Sequence[Case], fired: set[str]) -> Sequence[Case]:
        """Another payment for each case whose last one has come past its point another way."""
        passed = [
            case
            for case in cases
            if case.turn < TURNS_MAX
            and case not in self._preempted
            and case.name not in fired
            and self._is_over(case, fired)
        ]
        self._preempted.update(passed)
        further = [replace(case, turn=case.turn + 1) for case in passed]
        self._further += further
        return further

    def _is_over(self, case: Case, fired: set[str]) -> bool:
        """Whether it is settled, and has fired or has had the time to."""
        settled = self._settled.get(case)
        if settled is None:
            return False
        return case.name in fired or time.monotonic() - settled > FIRES_WITHIN_SECONDS

    def _last_firing(self) -> float:
        return max(self._failpoints.fired_at(), default=0.0)

    async def _audit(self, cases: Sequence[Case]) -> list[CaseResult]:
        received = read(self._receipts)
        forged = [one.event_id for one in received if not is_genuine(one, [self._secret])]
        if forged:
            raise AssertionError(f"not signed by us: {forged}")
        books = await read_books(self._mesh.owner_url, self._mesh.simulator_url, received)
        async with aiohttp.ClientSession(self._mesh.rest_url) as session:
            places = asyncio.Semaphore(REPLAYS_AT_ONCE)
            replayed = await asyncio.gather(
                *(self._replay(session, case, places) for case in cases)
            )
        fired = self._failpoints.fired()
        return [
            self._result(case, books, fired, again)
            for case, again in zip(cases, replayed, strict=True)
        ]

    async def _replay(
        self, session: aiohttp.ClientSession, case: Case, places: asyncio.Semaphore
    ) -> str:
        """The answer to the same key at the end."""
        async with places:
            return await ask(session, self._failpoints, case, ANSWER_SECONDS)

    def _result(self, case: Case, books: Books, fired: set[str], replayed: str) -> CaseResult:
        reference, is_preempted = reference_of(case), case in self._preempted
        expected = preempted_outcome_of(case) if is_preempted else outcome_of(case)
        complaints = list(books.complaints(reference, expected))
        if case.name not in fired and not is_preempted:
            complaints.append("the failpoint never fired")
        if self._answers.get(case) != replayed:
            complaints.append(f"answered {self._answers.get(case)}, and {replayed} when replayed")
        return CaseResult(
            case=case,
            seconds=self._settled.get(case, time.monotonic()) - self._began[case],
            outcome=books.outcome(reference),
            complaints=tuple(complaints),
        )

    async def _name_processes(self) -> None:
        """Gives the failpoints the processes that they may strike, whenever one is started
        again."""
        while True:
            for name in STRUCK:
                self._failpoints.name_process(name, self._mesh.children[name].pid)
            await asyncio.sleep(0.1)


async def ask(
    session: aiohttp.ClientSession, failpoints: Failpoints, case: Case, patience: float
) -> str:
    """Asks for the case's payment; its id, or nothing where the mesh could not answer now."""
    reference = reference_of(case)
    # By its trace the payment is known where its reference is not.
    trace_id = hashlib.md5(reference.encode(), usedforsecurity=False).hexdigest()
    failpoints.call(trace_id, reference)
    body: dict[str, Any] = {
        "user_id": str(uuid5(NAMESPACE_URL, case.name)),
        "amount_usd": "100.00",
        "destination_currency": "INR",
        "reference": reference,
    }
    if case.step in WITH_REFUSED_RECIPIENT:
        body["recipient"] = swept_merchant.REFUSED
    if case.step == "payer":
        body |= PAYER
    if case.step in CURRENCIES:
        body["destination_currency"] = CURRENCIES[case.step]
    headers = {
        "idempotency-key": case.name,
        "traceparent": f"00-{trace_id}-{trace_id[:16]}-01",
    }
    timeout = aiohttp.ClientTimeout(total=patience)
    async with session.post("/api/payments", json=body, headers=headers, timeout=timeout) as answer:
        return str((await answer.json())["transaction_id"]) if answer.status == 201 else ""


def table(results: Sequence[CaseResult]) -> str:
    """One line a point and step: how long each action took, and what is wrong where it is."""
    lines = [f"  {'point':<6}{'step':<12}{'raise':>8}{'exit':>8}{'hang':>8}   what happens there"]
    by_row = groupby(results, key=lambda v: (v.case.point, v.case.step))
    for (point, step), grouped in by_row:
        row = list(grouped)
        found = {ended.case.action: ended for ended in row}
        cells = "".join(f"{_cell(found.get(action)):>8}" for action in ("raise", "exit", "hang"))
        some = next(iter(found.values()))
        outcomes = ", ".join(sorted({ended.outcome.split(",")[0] for ended in found.values()}))
        shown = shown_point(some.case)
        lines.append(f"  {shown:<6}{step:<12}{cells}   {POINTS[point][0]}: {outcomes}")
        lines += [
            f"        ✗ {ended.case.name}: {complaint}"
            for ended in row
            for complaint in ended.complaints
        ]
    cases = {replace(ended.case, turn=1) for ended in results}
    failed = {replace(ended.case, turn=1) for ended in results if ended.complaints}
    lines.append(f"\n  {len(cases) - len(failed)} of {len(cases)} cases passed.")
    return "\n".join(lines)


def _cell(ended: CaseResult | None) -> str:
    if ended is None:
        return ""
    return f"{'✗' if ended.complaints else '✓'} {ended.seconds:4.0f}s"


async def verify(mesh: ChaosMesh, **variables: str) -> tuple[int, str]:
    """`./caravel verify` on the mesh's database, with variables more: its exit code, its table."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m"),
        "services.payments.verify",
        env=environment({"DATABASE_URL": mesh.application_url, **variables}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def say(line: str) -> None:
    """To the terminal, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(pattern: str) -> int:
    """Runs the cases that the pattern names; 1 where one has not passed."""
    cases = [case for case in every_case() if fnmatch(case.name, pattern)]
    folder = tempfile.mkdtemp(prefix="caravel-sweep-")
    say(f"logs: {folder}/data/logs")
    async with swept_mesh(Path(folder)) as (mesh, failpoints):
        results = await Sweep(mesh, failpoints, say).run(cases)
        code, verified = await verify(mesh)
    say(table(results))
    say(verified)
    return 1 if code or any(ended.complaints for ended in results) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.sweep")
    parser.add_argument("--only", default="*", help="which cases, for example 'W4-*-exit'")
    sys.exit(asyncio.run(main(parser.parse_args().only)))
