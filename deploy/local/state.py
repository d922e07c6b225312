"""The processes of a data folder, for down, status and logs: a file that the supervisor writes,
and a lock that it holds for as long as it lives, so that a file left by a crash is recognised."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.local.paths import DataDir, private
from deploy.local.problem import Problem
from deploy.local.terminal import command


@dataclass(frozen=True, kw_only=True)
class RunningProcess:
    """One process of the mesh. Ports are None where it has none, problem where it runs."""

    name: str
    pid: int
    port: int | None
    metrics_port: int | None
    log: str
    # How often it was started again since the mesh was ready, and why it is not running now.
    restarts: int = 0
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class MeshState:
    """A mesh as its supervisor wrote it down. ready_seconds is None until all of it is healthy."""

    supervisor_pid: int
    started_at: str
    urls: dict[str, str]
    processes: tuple[RunningProcess, ...] = ()
    ready_seconds: float | None = None
    # Why it is not running any more, where nobody stopped it.
    problem: str | None = None

    def process(self, name: str) -> RunningProcess:
        """The process of this name. Raises KeyError."""
        return {process.name: process for process in self.processes}[name]


def begin(urls: dict[str, str]) -> MeshState:
    """The state of a mesh whose supervisor is this process, from now on."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return MeshState(supervisor_pid=os.getpid(), started_at=now, urls=urls)


def write(path: Path, state: MeshState) -> None:
    """Puts the state in place whole, so that a reader never meets half of it."""
    unfinished = path.with_suffix(".new")
    with open(unfinished, "w", opener=private) as file:
        json.dump(asdict(state), file, indent=2)
    unfinished.replace(path)


def read(path: Path) -> MeshState | None:
    """The last written state; None where there is none, or none that can be read."""
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        processes = tuple(RunningProcess(**process) for process in values.pop("processes"))
        return MeshState(**values, processes=processes)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def running(data_dir: DataDir) -> MeshState | None:
    """The state of the mesh that runs in this folder now; None where none does."""
    return read(data_dir.state) if is_locked(data_dir) else None


@contextmanager
def locked(data_dir: DataDir) -> Iterator[None]:
    """Makes this process the folder's only supervisor. Raises Problem where there is another."""
    handle = os.open(data_dir.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _take(handle):
            raise already_running(data_dir)
        yield
    finally:
        os.close(handle)


def already_running(data_dir: DataDir) -> Problem:
    """The refusal of a second supervisor."""
    return Problem(
        f"a mesh is running in {data_dir.root} already; `{command('down')}` stops it, and another "
        "one needs a --data-dir, --port and --grpc-port of its own"
    )


def _take(handle: int) -> bool:
    # Somebody who asks for the status holds it for an instant as well.
    for _ in range(5):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def is_locked(data_dir: DataDir) -> bool:
    """Whether a supervisor lives in this folder."""
    try:
        handle = os.open(data_dir.lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two askers do not take each other for a supervisor.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
