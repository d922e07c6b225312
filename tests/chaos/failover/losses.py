"""Loses the primary again and again while clients pay: killed, killed while its standby was away,
or cut off and still there when the other one is promoted. Each loss waits for the standby of the
one before, and for a payment that was acknowledged since."""

import asyncio
import json
import signal
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from deploy.local.process.logs import Tail
from deploy.local.process.terminal import Problem
from tests.chaos.failover.mesh import FailoverMesh
from tests.chaos.failover.pair import Server, acknowledges

# How long nobody notices that the primary is gone.
UNNOTICED_SECONDS = 0.5
# How long an old primary that was cut off is looked at, before it is fenced.
OLD_SECONDS = 2.0
SERVICE_SECONDS = 120.0
LOOK_SECONDS = 0.05
# How long a synchronous primary is alone before it is lost as well. It acknowledges nothing then.
ALONE_SECONDS = 1.0
KILLED, ALONE, CUT_OFF = "primary killed", "primary killed alone", "primary cut off"


class Losses:
    """The faults of one run, in the place of the Nemesis."""

    def __init__(self, mesh: FailoverMesh, count: int, history: Path, file: Path) -> None:
        self.done: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        # No provider lies here.
        self.modes_set: list[dict[str, Any]] = []
        # From each loss to the first payment that was acknowledged after it.
        self.seconds_without_service: list[float] = []
        self._mesh = mesh
        self._count = count
        self._history = history
        self._file = file

    async def run(self) -> None:
        """Loses the primary so often. Raises Problem where the service does not come back."""
        ways = {ALONE: self._kill_alone, KILLED: self._kill, CUT_OFF: self._cut_off}
        await self._acknowledged()
        for kind in islice(cycle(ways), self._count):
            lost_at = time.monotonic()
            await ways[kind]()
            await self._acknowledged()
            self.seconds_without_service.append(time.monotonic() - lost_at)
            self.done[kind] += 1
            self._note(kind)
            await self._mesh.pair.rejoin()
            await self._acknowledged()

    async def heal(self) -> None:
        """Returns when the whole mesh is healthy."""
        await self._mesh.healthy()

    async def _kill(self) -> None:
        pair = self._mesh.pair
        pair.primary.fence()
        await asyncio.sleep(UNNOTICED_SECONDS)
        await pair.promote()

    async def _kill_alone(self) -> None:
        pair = self._mesh.pair
        pair.standby.fence()
        if pair.is_synchronous:
            await asyncio.sleep(ALONE_SECONDS)
        else:
            # The mistake: this payment is on the primary alone.
            await self._acknowledged()
        pair.primary.fence()
        await asyncio.to_thread(pair.standby.start)
        await pair.promote()

    async def _cut_off(self) -> None:
        """The old primary comes back beside the new one, and then must not acknowledge a write."""
        pair = self._mesh.pair
        old = pair.primary
        old.signal(signal.SIGSTOP)
        await asyncio.sleep(UNNOTICED_SECONDS)
        await pair.promote()
        old.signal(signal.SIGCONT)
        await self._refuse_two_primaries(old)
        old.fence()

    async def _refuse_two_primaries(self, old: Server) -> None:
        url = old.cluster.owner_url(old.port)
        if await acknowledges(url, OLD_SECONDS):
            raise Problem("an old primary that was cut off has acknowledged a write")

    async def _acknowledged(self) -> None:
        """Waits for a payment that is created from now on. The history notifies nobody."""
        tail = Tail(self._history, from_start=False)
        ends = time.monotonic() + SERVICE_SECONDS
        while time.monotonic() < ends:
            for line in tail.new_lines():
                record = json.loads(line)
                if record["f"] == "create" and record["type"] == "ok":
                    return
            await asyncio.sleep(LOOK_SECONDS)
        raise Problem(f"no payment was acknowledged for {SERVICE_SECONDS:.0f} s")

    def _note(self, kind: str) -> None:
        taken = {"kind": kind, "seconds_without_service": self.seconds_without_service[-1]}
        with self._file.open("a") as file:
            file.write(json.dumps(taken) + "\n")
