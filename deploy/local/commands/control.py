"""`up --detach`, `down`, `status`, `logs` and `dial`, for a mesh that another process runs. The
first starts that process in a session of its own, and shows how it goes until it is ready or has
failed. All but `dial` need nothing installed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy import ROOT
from deploy.local.mesh import placement, state
from deploy.local.mesh.ports import HOST
from deploy.local.mesh.state import SUPERVISOR, DataDir, MeshState
from deploy.local.process import logs, terminal
from deploy.local.process.child import is_alive, private
from deploy.local.process.terminal import Problem, command, paint, say

# As init scripts have it: the status is known, and it is "not running".
NOT_RUNNING = 3
DOWN_SECONDS = 60.0
LINES = 200
POLL_SECONDS = 0.05


def up_detached(data_dir: DataDir, arguments: Sequence[str]) -> int:
    """Starts the mesh in the background; returns when it is ready. Raises Problem where it fails.

    arguments are those of `up` in the foreground.
    """
    data_dir.make()
    if state.is_locked(data_dir):
        raise state.already_running(data_dir)
    data_dir.refuse_full_disk()
    reader, writer = os.pipe()
    with os.fdopen(reader) as reason:
        process = _start_in_background(data_dir, arguments, writer)
        os.close(writer)
        code = _watch(data_dir, process)
        if code and (why := reason.read()):
            terminal.complain(why)
    return code


def _watch(data_dir: DataDir, process: "subprocess.Popen[bytes]") -> int:
    """Shows what it says until it is ready or has ended; 0, or the code that it ended with."""
    output = logs.Tail(data_dir.log(SUPERVISOR), from_start=True)
    try:
        while process.poll() is None and not _is_ready(data_dir, process.pid):
            _relay(output)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        process.wait()
        _relay(output)
        return 130
    _relay(output)
    return process.returncode or 0


def _start_in_background(
    data_dir: DataDir, arguments: Sequence[str], reason_to: int
) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, terminal.REASON_VARIABLE: str(reason_to)}
    if terminal.is_coloured():
        environment["CARAVEL_COLOR"] = "1"
    words = [sys.executable, "-P", "-m", "deploy.local", *arguments]
    with open(data_dir.log(SUPERVISOR), "wb", opener=private) as output:
        return subprocess.Popen(  # noqa: S603
            words,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[reason_to],
            start_new_session=True,
        )


def _is_ready(data_dir: DataDir, pid: int) -> bool:
    now = state.read(data_dir.state)
    return now is not None and now.supervisor_pid == pid and now.ready_seconds is not None


def _relay(output: logs.Tail) -> None:
    for line in output.new_lines():
        terminal.say(line)


def down(data_dir: DataDir, *, delete: bool) -> int:
    """Stops the mesh, and forgets it where that is wanted. Raises Problem if it does not stop."""
    mesh = state.running(data_dir)
    if mesh is None:
        say("Not running.")
    else:
        _stop(mesh, data_dir)
        say("Stopped. No process is left.")
    if delete and data_dir.root.is_dir():
        with state.locked(data_dir):
            data_dir.forget()
            placement.forget_elsewhere(data_dir.postgres)
        say(f"Deleted what it left in {data_dir.root}.")
    return 0


def _stop(mesh: MeshState, data_dir: DataDir) -> None:
    with suppress(ProcessLookupError):
        os.kill(mesh.supervisor_pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while state.is_locked(data_dir) or is_alive(mesh.supervisor_pid):
        if time.monotonic() > deadline:
            raise Problem(f"the mesh is still stopping after {DOWN_SECONDS:.0f} s")
        time.sleep(0.05)


def status(data_dir: DataDir, *, as_json: bool) -> int:
    """Prints the running processes; NOT_RUNNING where nothing does."""
    mesh = state.running(data_dir)
    if as_json:
        say(json.dumps(facts(mesh, data_dir), indent=2))
    elif mesh:
        _show(mesh, data_dir)
    else:
        before = state.read(data_dir.state)
        reason = before.problem if before and before.problem else None
        say(f"Not running: {reason}" if reason else "Not running.")
        say(f"Start it with {command('up', *data_dir.flags)}")
    return 0 if mesh else NOT_RUNNING


def facts(mesh: MeshState | None, data_dir: DataDir) -> dict[str, Any]:
    """The status as a program reads it."""
    if mesh is None:
        before = state.read(data_dir.state)
        problem = before.problem if before else None
        return {"running": False, "data_dir": str(data_dir.root), "problem": problem}
    processes = [
        {**asdict(process), "memory_mb": memory_mb(process.pid)} for process in mesh.processes
    ]
    return {
        "running": True,
        "ready": mesh.ready_seconds is not None,
        "ready_seconds": mesh.ready_seconds,
        "data_dir": str(data_dir.root),
        "started_at": mesh.started_at,
        "supervisor_pid": mesh.supervisor_pid,
        "urls": mesh.urls,
        "processes": processes,
    }


def _show(mesh: MeshState, data_dir: DataDir) -> None:
    ready = f"ready after {mesh.ready_seconds} s" if mesh.ready_seconds else "starting"
    say(f"Running since {mesh.started_at}, {ready}, in {data_dir.root}\n")
    say(paint(f"  {'process':<12}{'pid':>8}{'port':>8}{'metrics':>9}{'memory':>9}", terminal.DIM))
    for process in mesh.processes:
        megabytes = memory_mb(process.pid)
        memory = f"{megabytes:.0f} MB" if megabytes is not None else "-"
        ports = f"{process.port or '-':>8}{process.metrics_port or '-':>9}"
        say(f"  {process.name:<12}{process.pid or '-':>8}{ports}{memory:>9}")
    say()
    for process in mesh.processes:
        if process.problem:
            say(paint(f"  {process.problem}", terminal.YELLOW))
        elif process.restarts:
            say(f"  {process.name} runs again ({process.restarts} restarts in all)")
    if any(process.restarts or process.problem for process in mesh.processes):
        say()
    for name, url in mesh.urls.items():
        say(f"  {name:<12}{url}")


def memory_mb(pid: int) -> float | None:
    """Memory that the process and its children hold for themselves and their share of the rest.

    In MB; None where the system does not say.
    """
    kilobytes = [_share_kb(each) for each in (pid, *_children(pid))]
    known = [number for number in kilobytes if number is not None]
    return round(sum(known) / 1024, 1) if known else None


def _share_kb(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), None)


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        yield from map(int, text.split())


def show_logs(data_dir: DataDir, service: str | None, *, follow: bool) -> int:
    """Prints the last lines of one log or of all, and goes on with what comes. Raises Problem."""
    files = {path.stem: path for path in sorted(data_dir.logs.glob("*.log"))}
    if service is not None and service not in files:
        known = ", ".join(files) or "none yet"
        raise Problem(f"there is no log of {service}; there are: {known}")
    chosen = {service: files[service]} if service else files
    if service is None:
        chosen.pop(SUPERVISOR, None)
    for name, line in logs.last_lines(chosen, LINES):
        say(logs.render(name, line))
    if follow:
        asyncio.run(_follow(chosen))
    return 0


async def _follow(files: dict[str, Path]) -> None:
    async for name, line in logs.follow(files):
        say(logs.render(name, line))


def dial(data_dir: DataDir, service: str) -> int:
    """Prints the certificate, the name that the service must have, and where it is. Raises Problem
    where there is no such service, or the mesh does not run."""
    from deploy.authority import OPERATOR, SERVERS  # noqa: PLC0415
    from services.shared.certificates import files_in, host_name  # noqa: PLC0415

    if service not in SERVERS:
        raise Problem(f"there is no {service} inside; there are: {', '.join(SERVERS)}")
    mesh = state.running(data_dir)
    if mesh is None or service not in {process.name for process in mesh.processes}:
        raise Problem(f"{service} is not running; `{command('up')}` starts it")
    files = files_in(data_dir.certificates / OPERATOR)
    words = (
        *("-cacert", files.mesh_authority_file),
        *("-cert", files.mesh_certificate_file),
        *("-key", files.mesh_key_file),
        *("-servername", host_name(service)),
        f"{HOST}:{mesh.process(service).port}",
    )
    say(" ".join(map(str, words)))
    return 0
