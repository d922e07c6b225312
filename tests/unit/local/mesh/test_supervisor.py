"""The supervisor with small real processes: order of start and stop, that one which dies is started
again, and that nothing is left behind."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from deploy.local.mesh.supervisor import RESTARTS_MAX, Restarts, Supervisor
from deploy.local.process.child import Check, Child, Spec, is_alive
from deploy.local.process.terminal import Problem
from tests.polling import until

# Prints that it runs, and that it was asked to stop.
FAITHFUL = """
import signal, sys, pathlib, os
name, story = sys.argv[1:]
def record(what):
    with open(story, "a") as file: file.write(f"{what} {name}\\n")
def stop(*_):
    record("stopped"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
record("started")
while True: signal.pause()
"""


class Stage:
    """A folder with a story that the processes write, and specs for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.story_file = folder / "story"
        self.story_file.touch()

    @property
    def story(self) -> list[str]:
        """The reports of the processes, in order."""
        return self.story_file.read_text().splitlines()

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.folder / f"{name}.log"

    def faithful(self, name: str, *after: str) -> Spec:
        """A process that is healthy once it has reported its start."""

        async def healthy() -> bool:
            return f"started {name}" in self.story

        return self.spec(name, FAITHFUL, name, str(self.story_file), after=after, healthy=healthy)

    def mortal(self, name: str) -> Spec:
        """A process that is healthy whenever it runs."""

        async def healthy() -> bool:
            return True

        return self.spec(name, "import signal; signal.pause()", healthy=healthy)

    def spec(
        self,
        name: str,
        code: str,
        *arguments: str,
        after: tuple[str, ...] = (),
        healthy: Check | None = None,
        start_again_on: str | None = None,
    ) -> Spec:
        """A process that runs a piece of Python."""
        return Spec(
            name=name,
            command=(sys.executable, "-S", "-c", code, *arguments),
            environment=dict(os.environ),
            healthy=healthy,
            after=after,
            start_again_on=start_again_on,
        )


async def never() -> bool:
    return False


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@asynccontextmanager
async def supervised(
    stage: Stage,
    on_healthy: Callable[[Child, float], None] = lambda *_: None,
    on_restart: Callable[[Child, Restarts], None] = lambda *_: None,
    first_back_off_seconds: float = 0.01,
) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(stage.log, on_healthy, on_restart, first_back_off_seconds)
    try:
        yield supervisor
    finally:
        await supervisor.stop()


async def test_process_starts_after_those_it_needs(stage: Stage) -> None:
    async with supervised(stage) as supervisor:
        await supervisor.start([stage.faithful("b", "a"), stage.faithful("a")])

        assert stage.story == ["started a", "started b"]


async def test_processes_stop_before_those_they_need(stage: Stage) -> None:
    async with supervised(stage) as supervisor:
        await supervisor.start([stage.faithful("a"), stage.faithful("b", "a")])

    assert stage.story[2:] == ["stopped b", "stopped a"]


async def test_nobody_is_left_after_stop(stage: Stage) -> None:
    async with supervised(stage) as supervisor:
        await supervisor.start([stage.faithful("a"), stage.faithful("b")])
        pids = [child.pid for child in supervisor.children.values()]

    assert not any(map(is_alive, pids))


async def test_everybody_who_is_healthy_is_announced(stage: Stage) -> None:
    announced: list[str] = []

    async with supervised(stage, lambda child, _: announced.append(child.spec.name)) as supervisor:
        await supervisor.start([stage.spec("once", ""), stage.faithful("a", "once")])

    assert announced == ["once", "a"]


async def test_end_of_one_process_is_reported_with_its_last_lines(stage: Stage) -> None:
    die = "import sys; sys.exit('the disk is full')"
    async with supervised(stage) as supervisor:
        with pytest.raises(Problem, match=r"b ended .*exit code 1.*the disk is full.*b\.log"):
            await supervisor.start([stage.faithful("a"), stage.spec("b", die, healthy=never)])


async def test_death_while_others_still_start_ends_the_start(stage: Stage) -> None:
    hang = "import signal; signal.pause()"
    async with supervised(stage) as supervisor:
        start = supervisor.start(
            [stage.faithful("a"), stage.spec("hangs", hang, after=("a",), healthy=never)]
        )
        task = asyncio.create_task(start)
        await until(_names(supervisor), lambda names: "hangs" in names)
        supervisor.children["a"].kill()

        with pytest.raises(Problem, match=r"a ended unexpectedly \(SIGKILL\)"):
            await task


async def test_process_that_dies_is_started_again_and_said_so(stage: Stage) -> None:
    restarts_seen: list[Restarts] = []
    async with supervised(stage, on_restart=lambda _, now: restarts_seen.append(now)) as supervisor:
        await supervisor.start([stage.mortal("a"), stage.mortal("b")])
        before = supervisor.children["b"].pid
        for deaths in (1, 2, 3):
            supervisor.children["a"].kill()
            wanted = Restarts(restarts=deaths)
            await until(_restarts(supervisor), partial(_is_now, wanted))

        assert supervisor.children["b"].pid == before

    assert all(
        "a ended unexpectedly (SIGKILL)" in one.problem for one in restarts_seen if one.problem
    )
    assert [one.restarts for one in restarts_seen if not one.problem] == [1, 2, 3]
    assert all("started again in" in one.problem for one in restarts_seen if one.problem)


async def test_process_that_always_dies_is_given_up_and_the_others_go_on(stage: Stage) -> None:
    mark = stage.folder / "mark"
    # Healthy once; each later start ends at once, and says why.
    code = (
        f"import pathlib, signal, sys; mark = pathlib.Path({str(mark)!r})\n"
        "if mark.exists(): sys.exit('the disk is full')\n"
        "mark.touch(); signal.pause()"
    )
    async with supervised(stage) as supervisor:
        loops = stage.spec("loops", code, healthy=_exists(mark))
        await supervisor.start([loops, stage.mortal("a")])
        supervisor.children["loops"].kill()
        now = await until(
            _restarts(supervisor), lambda now: "stays down" in (now["loops"].problem or "")
        )
        lives = is_alive(supervisor.children["a"].pid)

    assert lives
    assert now["loops"].restarts == RESTARTS_MAX
    problem = now["loops"].problem or ""
    assert f"was started {RESTARTS_MAX} times" in problem
    assert "the disk is full" in problem


async def test_stop_during_a_back_off_leaves_nobody(stage: Stage) -> None:
    async with supervised(stage, first_back_off_seconds=3600) as supervisor:
        await supervisor.start([stage.mortal("a"), stage.mortal("b")])
        supervisor.children["a"].kill()
        await until(_restarts(supervisor), lambda now: now["a"].problem is not None)
        pids = [child.pid for child in supervisor.children.values()]

    assert not any(map(is_alive, pids))


async def test_stop_during_a_restart_leaves_nobody(stage: Stage) -> None:
    pid_file = stage.folder / "pid"
    code = (
        f"import os, pathlib, signal; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))"
        "\nsignal.pause()"
    )
    first = True

    async def healthy_once() -> bool:
        return first and pid_file.exists() and bool(pid_file.read_text())

    async with supervised(stage) as supervisor:
        await supervisor.start([stage.spec("a", code, healthy=healthy_once)])
        first = False
        before = supervisor.children["a"].pid
        supervisor.children["a"].kill()
        await until(_pid_in(pid_file), lambda pid: pid not in ("", str(before)))
        pid = int(pid_file.read_text())

    assert not is_alive(pid)


async def test_start_that_is_given_up_leaves_nobody(stage: Stage) -> None:
    hang = "import signal; signal.pause()"
    async with supervised(stage) as supervisor:
        task = asyncio.create_task(supervisor.start([stage.spec("a", hang, healthy=never)]))
        await until(_names(supervisor), lambda names: "a" in names)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        pid = supervisor.children["a"].pid

    assert not is_alive(pid)


async def test_grandchildren_are_ended_with_their_parent(stage: Stage) -> None:
    pid_file = stage.folder / "pid"
    code = (
        "import subprocess, sys, signal, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import signal; signal.pause()'])\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))\n"
        "signal.pause()"
    )

    async def healthy() -> bool:
        return pid_file.exists() and bool(pid_file.read_text())

    async with supervised(stage) as supervisor:
        await supervisor.start([stage.spec("a", code, healthy=healthy)])

    await until(_lives(int(pid_file.read_text())), lambda lives: not lives)


async def test_program_that_is_missing_is_named(stage: Stage) -> None:
    spec = Spec(name="a", command=("/no/such",), environment={}, healthy=never)
    async with supervised(stage) as supervisor:
        with pytest.raises(Problem, match=r"a ended .*cannot run /no/such: No such file"):
            await supervisor.start([spec])


async def test_process_in_the_way_of_itself_is_started_again(stage: Stage) -> None:
    mark = stage.folder / "was-here"
    code = (
        f"import pathlib, signal, sys; mark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists(): mark.touch(); sys.exit('still listed')\n"
        "mark.write_text('again'); signal.pause()"
    )

    async def healthy() -> bool:
        return mark.exists() and mark.read_text() == "again"

    spec = stage.spec("a", code, healthy=healthy, start_again_on="still listed")
    async with supervised(stage) as supervisor:
        await supervisor.start([spec])
        pid = supervisor.children["a"].pid

    assert not is_alive(pid)


async def test_process_that_ignores_us_is_killed(stage: Stage) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(stage.story_file)!r}, 'a').write('started unstoppable\\n')\n"
        "while True: signal.pause()"
    )

    async def healthy() -> bool:
        return "started unstoppable" in stage.story

    async with supervised(stage) as supervisor:
        await supervisor.start([stage.spec("unstoppable", code, healthy=healthy)])
        # As a second Ctrl-C does.
        supervisor.kill()

    assert not is_alive(supervisor.children["unstoppable"].pid)


def _restarts(supervisor: Supervisor) -> Callable[[], Awaitable[Mapping[str, Restarts]]]:
    async def look() -> Mapping[str, Restarts]:
        return {name: supervisor.restarts.get(name, Restarts()) for name in supervisor.children}

    return look


def _is_now(wanted: Restarts, now: Mapping[str, Restarts]) -> bool:
    return now["a"] == wanted


def _exists(path: Path) -> Check:
    async def look() -> bool:
        return await asyncio.to_thread(path.exists)

    return look


def _pid_in(path: Path) -> Callable[[], Awaitable[str]]:
    async def look() -> str:
        return await asyncio.to_thread(path.read_text)

    return look


def _names(supervisor: Supervisor) -> Callable[[], Awaitable[list[str]]]:
    async def look() -> list[str]:
        return [name for name, child in supervisor.children.items() if child.pid]

    return look


def _lives(pid: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return is_alive(pid)

    return look
