"""Does to a mesh what its schedule says, writes down every action, and heals everything in the end.
The actions are drawn in schedule; one whose target is away at its moment is recorded as missed."""

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import aiohttp

from tests.chaos import lies, phases
from tests.chaos.backends import AWAY
from tests.chaos.members import children_of, is_stopped, send
from tests.chaos.mesh import ChaosMesh
from tests.chaos.proxy import Toxic
from tests.chaos.schedule import Action, Schedule

AIMING_SECONDS = 10.0
LYING_INTERVAL_SECONDS = 0.5
CONTROL_SECONDS = 60.0
UNANSWERED = (aiohttp.ClientError, OSError, TimeoutError)


class Nemesis:
    """The faults of one run."""

    def __init__(self, mesh: ChaosMesh, schedule: Schedule, file: Path) -> None:
        # How often each kind was done.
        self.done: Counter[str] = Counter()
        # And how often each process was killed.
        self.killed: Counter[str] = Counter()
        self._mesh = mesh
        self._schedule = schedule
        self._file = file
        self._began = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused_sessions: set[int] = set()
        # Workers that will stop themselves.
        self._aimed_at: set[str] = set()
        # The modes of the providers, each time that they changed: as the checker reads them.
        self.modes_set: list[dict[str, Any]] = []
        self._lies: Mapping[str, Any] = {}
        self._phases: list[Mapping[str, Any]] = []
        self._regimes: dict[str, dict[str, Any]] = {}
        self._lied_to = 0

    async def run(self) -> None:
        """Follows the schedule to its end; what lasts longer goes on until it is healed."""
        self._began = time.monotonic()
        self._start(self._keep_lying())
        for action in self._schedule.actions:
            await asyncio.sleep(self._began + action.at_seconds - time.monotonic())
            self._start(self._do(action))
        await asyncio.sleep(self._began + self._schedule.seconds - time.monotonic())

    async def heal(self) -> None:
        """Ends every fault; returns when the whole mesh is healthy."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._mesh.heal_links()
        for name, member in self._mesh.children.items():
            self._mesh.resume(name)
            member.let_up()
        for pid in tuple(self._paused_sessions):
            self._resume_session(pid)
        self._lies, self._phases, self._regimes = {}, [], {}
        await self._mesh.healthy()
        async with asyncio.timeout(CONTROL_SECONDS):
            await self._stop_lying()
        await self._mesh.healthy()
        self._write("healed", "mesh", {})

    def actions(self) -> list[dict[str, Any]]:
        """All that was written down."""
        text = self._file.read_text() if self._file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    async def _do(self, action: Action) -> None:
        doing: dict[str, Callable[[Action], Awaitable[None]]] = {
            "kill": self._kill,
            "pause": self._pause,
            "pause_sender": self._pause_sender,
            "stall_worker": self._stall_worker,
            "kill_session": self._kill_session,
            "pause_session": self._pause_session,
            "terminate_sessions": self._terminate_sessions,
            "toxic": self._toxic,
            "lies": self._lie,
            "phase": self._phase,
        }
        try:
            await doing[action.kind](action)
        except AWAY as error:
            self._note(action, missed=type(error).__name__)

    async def _kill(self, action: Action) -> None:
        name = action.target
        if not self._mesh.alive(name):
            self._note(action, missed="not alive")
            return
        self._note(action)
        self.killed[name] += 1
        self._mesh.hold_down(name)
        await asyncio.sleep(action.parameters["down_seconds"])
        self._mesh.let_up(name)

    async def _stall_worker(self, action: Action) -> None:
        """Has a worker stop itself when it is about to send, and wakes it a lease later."""
        name = action.target
        pid = self._mesh.children[name].pid
        if name in self._aimed_at or is_stopped(pid):
            self._note(action, missed="aimed at, or stopped already")
            return
        # Until it is healed: a worker that nobody waits for any more would stay stopped.
        self._aimed_at.add(name)
        try:
            self._mesh.kill(name, signal.SIGUSR1)
            while not is_stopped(pid):
                if self._mesh.children[name].pid != pid:
                    self._note(action, missed="gone")
                    return
                await asyncio.sleep(0.05)
        finally:
            self._aimed_at.discard(name)
        await self._pause(action)

    async def _pause_sender(self, action: Action) -> None:
        """Stops the next process that is seen to have an intent and to have sent nothing yet."""
        async with asyncio.timeout(AIMING_SECONDS):
            pid = await self._mesh.backends.sender()
        for name, member in self._mesh.children.items():
            if member.pid == pid:
                await self._pause(replace(action, target=name))
                return
        self._note(action, missed="gone")

    async def _pause(self, action: Action) -> None:
        name = action.target
        pid = self._mesh.children[name].pid
        if not self._mesh.alive(name):
            self._note(action, missed="not alive")
            return
        self._note(action)
        self._mesh.pause(name)
        await asyncio.sleep(action.parameters["seconds"])
        # It may have been killed meanwhile, and another one be in its place.
        if self._mesh.children[name].pid == pid:
            self._mesh.resume(name)
            self._write("resume", name, {})

    async def _kill_session(self, action: Action) -> None:
        rng = random.Random(action.parameters["seed"])
        pid = await self._mesh.backends.signal_one(action.target, signal.SIGKILL, rng)
        self._note(action, missed=None if pid else "none there")

    async def _pause_session(self, action: Action) -> None:
        rng = random.Random(action.parameters["seed"])
        pid = await self._mesh.backends.signal_one(action.target, signal.SIGSTOP, rng)
        self._note(action, missed=None if pid else "none there")
        if pid:
            self._paused_sessions.add(pid)
            await asyncio.sleep(action.parameters["seconds"])
            self._resume_session(pid)
            self._write("resume_session", action.target, {})

    def _resume_session(self, pid: int) -> None:
        self._paused_sessions.discard(pid)
        # Its number may be somebody else's by now.
        if pid in children_of(self._mesh.children["postgresql"].pid):
            send(pid, signal.SIGCONT)

    async def _terminate_sessions(self, action: Action) -> None:
        rng = random.Random(action.parameters["seed"])
        count = await self._mesh.backends.terminate(action.parameters["share"], rng)
        self._note(action, missed=None if count else "none there")

    async def _toxic(self, action: Action) -> None:
        link = self._mesh.links[action.target]
        toxic = Toxic(**action.parameters["toxic"])
        self._note(action)
        link.set(toxic)
        await asyncio.sleep(action.parameters["seconds"])
        # A later one on the same link is not ours to take away.
        if link.toxic is toxic:
            link.heal()

    async def _lie(self, action: Action) -> None:
        self._note(action)
        self._lies = action.parameters
        self._set_again()

    async def _phase(self, action: Action) -> None:
        self._note(action)
        modes = action.parameters["modes"]
        self._phases.append(modes)
        self._set_again()
        await asyncio.sleep(action.parameters["seconds"])
        self._phases.remove(modes)
        self._set_again()

    def _set_again(self) -> None:
        self._regimes = phases.merged(self._lies, self._phases)
        self._lied_to = 0
        self.modes_set += [{"provider": name, **regime} for name, regime in self._regimes.items()]

    async def _keep_lying(self) -> None:
        """Sets the simulator's modes: each time that they change, and after its restarts."""
        while True:
            pid = self._mesh.children["simulator"].pid
            if self._lied_to != pid:
                modes_set = self._regimes
                with suppress(*UNANSWERED):
                    await lies.turn_on(self._mesh.simulator_url, modes_set)
                    self._lied_to = pid if modes_set is self._regimes else 0
            await asyncio.sleep(LYING_INTERVAL_SECONDS)

    async def _stop_lying(self) -> None:
        if any(lies.OUTLASTING & regime["modes"].keys() for regime in self.modes_set):
            # Its open operations settle after a start only, and later effects never come.
            await self._mesh.restart("simulator")
        await lies.heal(self._mesh.simulator_url)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note(self, action: Action, missed: str | None = None) -> None:
        if missed is None:
            self.done[action.kind] += 1
        outcome = {"missed": missed} if missed else {}
        self._write(**{**asdict(action), **outcome})

    def _write(self, kind: str, target: str, parameters: Any, **more: Any) -> None:
        line = {
            "t": round(time.monotonic() - self._began, 3),
            "at_unix": round(time.time(), 3),
            "kind": kind,
            "target": target,
            "parameters": parameters,
            **more,
        }
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")
