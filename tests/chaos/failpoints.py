"""Named failpoints: a payment carries its case in its reference (`fp:W5-payout-exit`), and at that
point of that step this process dies, hangs or raises, once, whichever process comes there first.
Where the points are is in swept and swept_providers."""

import asyncio
import os
import re
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "CARAVEL_FAILPOINTS"
# Longer than a lease of 20 seconds, and than any timeout below it.
HANG_SECONDS = 22.0
EXIT_CODE = 77
# The steps whose points are those of another one, in payments of their own.
STRUCK_AS = {
    "deadline": "refund",
    "listed": "claim",
    "payer": "collection",
    "flutterwave": "payout",
    "paystack": "payout",
    "wise": "payout",
    "retry": "give_back",
}
_CASE = re.compile(r"\bfp:(\w+)-(\w+)-(\w+)(?:-(\d+))?")


class FailpointRaised(Exception):
    """The exception of a failpoint; no code of ours knows it."""


@dataclass(frozen=True)
class Case:
    """One crash point at one step, and what happens there."""

    point: str
    step: str
    action: str
    # Above one where an earlier payment of the case never came to its point.
    turn: int = 1

    @property
    def name(self) -> str:
        """As it stands in the payment's reference, after `fp:`."""
        name = f"{self.point}-{self.step}-{self.action}"
        return name if self.turn == 1 else f"{name}-{self.turn}"

    @classmethod
    def armed_by(cls, reference: str) -> "Case | None":
        """The case that a reference names."""
        match = _CASE.search(reference)
        if match is None:
            return None
        point, step, action, turn = match.groups()
        return cls(point, step, action, int(turn or 1))


class Failpoints:
    """The failpoints of one process. The folder is shared by all, and outlives each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stopping: list[str] = []
        self._continued = asyncio.Event()

    @classmethod
    def of_environment(cls) -> "Failpoints":
        """Those of the folder that FOLDER_VARIABLE names."""
        return cls(Path(os.environ[FOLDER_VARIABLE]))

    async def hit(self, point: str, *passing: tuple[str, str]) -> None:
        """Acts where one of these payments, each a step and a reference, is armed here.

        Of several that are struck together each has its own action, and all are awaited.
        """
        struck = [
            case for step, reference in passing if (case := self.take(point, step, reference))
        ]
        ends = await asyncio.gather(*map(self._act, struck), return_exceptions=True)
        for end in ends:
            if end is not None:
                raise end

    def armed(self, point: str, step: str, reference: str) -> Case | None:
        """The case that would fire here."""
        case = Case.armed_by(reference)
        if case is None or case.point != point:
            return None
        if step not in (case.step, STRUCK_AS.get(case.step)):
            return None
        return None if self._marker(case).exists() else case

    def call(self, alias: str, reference: str) -> None:
        """Remembers the payment's reference under a name by which others know it."""
        (self.folder / f"alias-{alias}").write_text(reference)

    def called(self, alias: str) -> str:
        """The reference behind a name; empty where there is none."""
        with suppress(FileNotFoundError):
            return (self.folder / f"alias-{alias}").read_text()
        return ""

    def name_process(self, name: str, pid: int) -> None:
        """Says which process another failpoint may strike under this name."""
        (self.folder / f"pid-{name}").write_text(str(pid))

    def signal_process(self, name: str, number: signal.Signals) -> None:
        """Strikes another process of the mesh."""
        os.kill(int((self.folder / f"pid-{name}").read_text()), number)

    def stop_together(self, count: int) -> None:
        """Says how many payments must stand at their points before a process stops itself."""
        (self.folder / "stop-together").write_text(str(count))

    def fired(self) -> set[str]:
        """The names of all cases that have fired."""
        return {path.name.removeprefix("fired-") for path in self.folder.glob("fired-*")}

    def fired_at(self) -> list[float]:
        """When each of them fired, in seconds since the epoch."""
        return [path.stat().st_mtime for path in self.folder.glob("fired-*")]

    def take(self, point: str, step: str, reference: str) -> Case | None:
        """The case that fires here, marked as fired, for a caller that acts itself."""
        case = self.armed(point, step, reference)
        return case if case and self._mark(case) else None

    def _marker(self, case: Case) -> Path:
        return self.folder / f"fired-{case.name}"

    def _mark(self, case: Case) -> bool:
        """Whether this process is to act: the one that creates the file, before it acts."""
        try:
            descriptor = os.open(self._marker(case), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        os.write(descriptor, f"{os.getpid()}\n".encode())
        os.close(descriptor)
        return True

    async def _act(self, case: Case) -> None:
        if case.action == "exit":
            os._exit(EXIT_CODE)
        if case.action == "stop":
            await self._stop_together(case)
            return
        if case.action == "hang":
            await asyncio.sleep(HANG_SECONDS)
        raise FailpointRaised(case.name)

    async def _stop_together(self, case: Case) -> None:
        """Waits until enough payments of this process stand at their points, and then stops the
        process, so that each of them is found in the middle of its step."""
        self._stopping.append(case.name)
        needed = int((self.folder / "stop-together").read_text())
        if len(self._stopping) == needed:
            os.kill(os.getpid(), signal.SIGSTOP)
            self._continued.set()
        await self._continued.wait()


class Swept:
    """Passes on whatever is not swept."""

    def __init__(self, inner: Any, failpoints: Failpoints) -> None:
        self._inner = inner
        self._failpoints = failpoints

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
