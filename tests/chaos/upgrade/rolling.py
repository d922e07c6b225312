"""A rolling upgrade across a migration while clients pay: the version before alone, on the schema
before and then on the one after, both versions side by side, the later version alone. Nothing
fails for a client at any time."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from deploy.local.process.logs import Tail, read_line
from deploy.local.process.terminal import Problem
from tests.chaos.history import INVOKE, History
from tests.chaos.sweep import verify
from tests.chaos.topology import kind_of
from tests.chaos.upgrade.mesh import NEW, OLD, UpgradeMesh

# So much is done by each process in each part.
TIMES = 10
PART_SECONDS, LOOK_SECONDS = 120.0, 0.1
# The line of a log that a process of each kind leaves for a piece of its work.
WORK = {
    "payments": ("call", "/caravel.payments.v1.PaymentService/CreatePayment"),
    "worker": ("payment_event", ""),
}


class Rolling:
    """The upgrade, in the place of the Nemesis: nothing is broken here."""

    def __init__(self, mesh: UpgradeMesh, history: History, file: Path) -> None:
        self.done: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        self.modes_set: list[dict[str, Any]] = []
        self._mesh = mesh
        self._history = history
        self._answers = Tail(history.path, from_start=False)
        self._file = file

    async def run(self) -> None:
        """Goes through all parts. Raises Problem where one does not get on."""
        # Of such an epoch no answer may be trouble.
        self._history.epoch = "quiet"
        await self._worked("before", OLD)
        began = time.monotonic()
        await self._mesh.migrate()
        self._note("migrated", seconds=time.monotonic() - began)
        await self._worked("before on the schema after", OLD)
        await self._mesh.bring_up_new()
        await self._worked("side by side", (*OLD, *NEW))
        await self._mesh.retire_old()
        await self._worked("after", NEW)

    async def heal(self) -> None:
        """Raises Problem where `verify` finds something, or a process has complained."""
        await self._mesh.healthy()
        code, found = await verify(self._mesh, **self._mesh.upgrade.after.variables)
        if code:
            raise Problem(f"verify: {found}")
        ours = (log for log in self._mesh.logs() if log.stem not in ("postgresql", "gateway"))
        for log in ours:
            for text in log.read_text(errors="replace").splitlines():
                line = read_line(text)
                if line.level in ("error", "critical"):
                    raise Problem(f"{log.name}: {line.event} {dict(line.details)}"[:400])

    async def _worked(self, part: str, names: tuple[str, ...]) -> None:
        """Waits until each of these processes has done its share."""
        logs = {log.stem: log for log in self._mesh.logs()}
        tails = {name: Tail(logs[name], from_start=False) for name in names}
        done: Counter[str] = Counter()
        ends = time.monotonic() + PART_SECONDS
        while min(done[name] for name in names) < TIMES:
            if time.monotonic() > ends:
                raise Problem(f"{part}: no more than {dict(done)} in {PART_SECONDS:.0f} s")
            # No log notifies anybody.
            await asyncio.sleep(LOOK_SECONDS)
            for name, tail in tails.items():
                done[name] += sum(map(_is_work(name), tail.new_lines()))
        self._note(part, **done)

    def _note(self, part: str, **figures: float) -> None:
        """Writes down what was done in a part, and how clients were answered meanwhile."""
        self.done[part] += 1
        ends = [one for one in map(json.loads, self._answers.new_lines()) if one["type"] != INVOKE]
        figures["answers"] = len(ends)
        figures["in_trouble"] = sum(not 0 < one["status"] < 500 for one in ends)
        with self._file.open("a") as file:
            file.write(json.dumps({"part": part, **figures}) + "\n")


def _is_work(name: str) -> Any:
    event, method = WORK[kind_of(name)]

    def is_work(text: str) -> bool:
        line = read_line(text)
        return line.event == event and line.details.get("method", "") == method

    return is_work
