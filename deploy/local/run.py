"""One run of the mesh: start, say where it is, show what it says, stop. In the foreground and in
the background alike; a signal ends it well, a process that does not start ends it with a Problem,
and one that dies later is started again."""

import asyncio
import signal
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from deploy.local import greeting, logs, mesh, state, terminal
from deploy.local.child import Child
from deploy.local.state import RunningProcess
from deploy.local.supervisor import Restarts, Supervisor
from deploy.local.terminal import paint, say, say_if_possible

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run(plan: mesh.Plan, started: float, *, watched: bool) -> None:
    """Runs the whole mesh until a signal comes. Raises Problem where it cannot be started.

    started is when the person began to wait; watched says whether one looks on now.
    """
    stop = asyncio.Event()
    running = state.begin(plan.urls)

    def on_restart(child: Child, restarts: Restarts) -> None:
        _tell_restart(child, restarts)
        # On a full disk the mesh goes on, and only its status is old.
        with suppress(OSError):
            state.write(plan.data_dir.state, replace(running, processes=_processes(supervisor)))

    supervisor = Supervisor(plan.data_dir.log, _tell_healthy, on_restart)
    _on_signals(stop, supervisor)
    state.write(plan.data_dir.state, running)
    specs = tuple(mesh.processes(plan))
    try:
        if await _unless(stop, supervisor.start(specs)):
            seconds = round(time.monotonic() - started, 1)
            running = replace(running, processes=_processes(supervisor), ready_seconds=seconds)
            say(greeting.greeting(running, plan.data_dir, watched=watched))
            state.write(plan.data_dir.state, running)
            await _serve(stop, supervisor, watched=watched)
    finally:
        hint = paint(" (Ctrl-C again kills)", terminal.DIM) if watched else ""
        say_if_possible(f"\n  Stopping …{hint}")
        await supervisor.stop()
        say_if_possible("  Stopped. No process is left.")


def _on_signals(stop: asyncio.Event, supervisor: Supervisor) -> None:
    def on_signal() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Does the work to its end, or drops it at a signal to stop; False for the latter."""
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        return not stop.is_set()
    finally:
        task.cancel()
        stopping.cancel()
        await asyncio.wait({task, stopping})


async def _serve(stop: asyncio.Event, supervisor: Supervisor, *, watched: bool) -> None:
    files = {name: child.log for name, child in supervisor.children.items()} if watched else {}
    showing = asyncio.create_task(_show(files))
    try:
        await stop.wait()
    finally:
        showing.cancel()


async def _show(files: Mapping[str, Path]) -> None:
    async for service, line in logs.follow(files):
        if not line.is_routine:
            say(logs.render(service, line, logs.terminal_width()))


def _processes(supervisor: Supervisor) -> tuple[RunningProcess, ...]:
    return tuple(
        RunningProcess(
            name=child.spec.name,
            pid=child.pid if child.code is None else 0,
            port=child.spec.port,
            metrics_port=child.spec.metrics_port,
            log=str(child.log),
            **asdict(supervisor.restarts.get(child.spec.name, Restarts())),
        )
        for child in supervisor.children.values()
        if child.spec.healthy
    )


def _tell_healthy(child: Child, seconds: float) -> None:
    where = f"127.0.0.1:{child.spec.port}" if child.spec.port else "up to date"
    terminal.done(child.spec.name, f"{where:<16} {seconds:4.1f} s")


def _tell_restart(child: Child, restarts: Restarts) -> None:
    if restarts.problem:
        say_if_possible(f"  {paint('!', terminal.YELLOW)} {restarts.problem}")
    else:
        say_if_possible(
            f"  {paint('✓', terminal.GREEN)} {child.spec.name} runs again "
            f"({restarts.restarts} restarts in all)"
        )
