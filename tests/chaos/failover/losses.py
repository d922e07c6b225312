"""Loses the primary again and again while clients pay: killed, killed while its standby was away,
or cut off and still there when the other one is promoted; the two latter also for longer than any
process waits for an answer. Each loss waits for the standby of the one before, and for a payment
that was acknowledged since."""

import asyncio
import json
import signal
import time
from collections import Counter, defaultdict
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import asyncpg

from deploy.local.process.logs import Tail
from deploy.local.process.terminal import Problem
from services.payments.recovery.ports import DatabaseOlder
from tests.chaos.failover.mesh import FailoverMesh
from tests.chaos.failover.pair import Server, acknowledges
from tests.chaos.history import OK

# How long nobody notices that the primary is gone.
UNNOTICED_SECONDS = 0.5
# How long an old primary that was cut off is still there, before it is fenced.
OLD_SECONDS = 2.0
SERVICE_SECONDS = 120.0
LOOK_SECONDS = 0.05
# How long a synchronous primary is alone before it is lost as well. It acknowledges nothing then.
ALONE_SECONDS = 1.0
# Longer than a client, a statement and the driver wait.
LONG_SECONDS = 20.0
KILLED, ALONE, CUT_OFF = "primary killed", "primary killed alone", "primary cut off"
LONG_ALONE, LONG_CUT_OFF = "primary killed long alone", "primary cut off for long"


class Losses:
    """The faults of one run, in the place of the Nemesis."""

    def __init__(self, mesh: FailoverMesh, count: int, history: Path, file: Path) -> None:
        self.done: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        # No provider lies here.
        self.modes_set: list[dict[str, Any]] = []
        # By kind, from each loss to the first payment that was acknowledged after it.
        self.seconds_without_service: dict[str, list[float]] = defaultdict(list)
        self._mesh = mesh
        self._count = count
        self._history = history
        self._file = file

    async def run(self) -> None:
        """Loses the primary so often. Raises Problem where the service does not come back."""
        ways = {
            ALONE: partial(self._kill_alone, ALONE_SECONDS),
            KILLED: self._kill,
            CUT_OFF: partial(self._cut_off, OLD_SECONDS),
            LONG_ALONE: partial(self._kill_alone, LONG_SECONDS),
            LONG_CUT_OFF: partial(self._cut_off, LONG_SECONDS),
        }
        await self._acknowledged()
        for kind in islice(cycle(ways), self._count):
            lost_at = time.monotonic()
            self._note(kind, await ways[kind]() - lost_at)
            await self._mesh.pair.rejoin()
            await self._acknowledged()

    async def heal(self) -> None:
        """Returns when the whole mesh is healthy."""
        await self._mesh.healthy()

    async def _kill(self) -> float:
        pair = self._mesh.pair
        pair.primary.fence()
        await asyncio.sleep(UNNOTICED_SECONDS)
        await pair.promote()
        return await self._acknowledged()

    async def _kill_alone(self, seconds: float) -> float:
        pair = self._mesh.pair
        pair.standby.fence()
        if pair.is_synchronous:
            await asyncio.sleep(seconds)
        else:
            # The mistake: this payment is on the primary alone.
            await self._acknowledged()
        pair.primary.fence()
        await asyncio.to_thread(pair.standby.start)
        await pair.promote()
        return await self._acknowledged()

    async def _cut_off(self, seconds: float) -> float:
        """The old primary comes back beside the new one, and then must not acknowledge a write."""
        pair = self._mesh.pair
        old = pair.primary
        old.signal(signal.SIGSTOP)
        await asyncio.sleep(UNNOTICED_SECONDS)
        await pair.promote()
        old.signal(signal.SIGCONT)
        fenced = asyncio.create_task(self._refuse_two_primaries(old, seconds))
        try:
            return await self._acknowledged()
        finally:
            await fenced

    async def _refuse_two_primaries(self, old: Server, seconds: float) -> None:
        try:
            if await acknowledges(old.cluster.owner_url(old.port), seconds):
                raise Problem("an old primary that was cut off has acknowledged a write")
        finally:
            old.fence()

    async def _acknowledged(self) -> float:
        """Waits for a payment that is created from now on, and says when that was. Raises Problem
        where none is, or where the mesh itself has noticed that it has lost some."""
        tail = Tail(self._history, from_start=False)
        ends = time.monotonic() + SERVICE_SECONDS
        while time.monotonic() < ends:
            for line in tail.new_lines():
                record = json.loads(line)
                # An old primary knows the answers to what it had taken.
                is_new = record["f"] == "create" and "replayed" not in record["meta"]
                if is_new and record["type"] == OK:
                    return time.monotonic()
                if record["reason"] == DatabaseOlder.reason:
                    await self._refuse_older()
            # The history notifies nobody.
            await asyncio.sleep(LOOK_SECONDS)
        raise Problem(f"no payment was acknowledged for {SERVICE_SECONDS:.0f} s")

    async def _refuse_older(self) -> None:
        """Raises Problem where the primary itself keeps that it is older: beside an old primary the
        processes refuse only until that one is fenced."""
        primary = self._mesh.pair.primary
        connection = await asyncpg.connect(primary.cluster.owner_url(primary.port))
        try:
            finding = await connection.fetchval("SELECT finding FROM database_mark")
        finally:
            connection.terminate()
        if finding:
            raise Problem(f"the mesh has found its database older: {finding}")

    def _note(self, kind: str, seconds: float) -> None:
        self.done[kind] += 1
        self.seconds_without_service[kind].append(seconds)
        taken = {"kind": kind, "seconds_without_service": seconds}
        with self._file.open("a") as file:
            file.write(json.dumps(taken) + "\n")
