"""The data folder (.caravel) with everything a mesh leaves behind, and in it the state of the mesh,
for down, status and logs: a file that the supervisor writes, and a lock that it holds for as long
as it lives, so that a file left by a crash is recognised."""

import fcntl
import json
import os
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy import ROOT
from deploy.local.process.child import private
from deploy.local.process.terminal import Problem, command

# Names the supervisor's own log, which a mesh in the background writes.
SUPERVISOR = "caravel"
DEFAULT_DATA_DIR = ROOT / ".caravel"
# A new database takes 40 MB, and its log 16 MB at least.
LEAST_START_BYTES = 100_000_000


@dataclass(frozen=True)
class DataDir:
    """The folder of one mesh. Two meshes side by side have two of them."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> "DataDir":
        """The data folder at a path that may be relative to where one stands."""
        return cls(path.resolve())

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.root / "logs"

    @property
    def gateway(self) -> Path:
        """Envoy's configuration and the files it names, written at each start."""
        return self.root / "gateway"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's files, where its user can reach them here."""
        return self.root / "postgres"

    @property
    def certificates(self) -> Path:
        """The mesh's authority, and a folder for each service and for our people."""
        return self.root / "certificates"

    @property
    def backups(self) -> Path:
        """Backups of the database; nothing here deletes one."""
        return self.root / "backups"

    @property
    def simulator_book(self) -> Path:
        """The file in which the simulator keeps all its operations, one JSON object a line."""
        return self.root / "simulator.jsonl"

    @property
    def state(self) -> Path:
        """The running processes, ports and addresses."""
        return self.root / "state.json"

    @property
    def credentials(self) -> Path:
        """Passwords and keys of the sandbox."""
        return self.root / "credentials.json"

    @property
    def signing_keys(self) -> Path:
        """The keys that sign access tokens."""
        return self.root / "tokens.pem"

    @property
    def session_keys(self) -> Path:
        """The key that seals operators' sessions."""
        return self.root / "sessions.key"

    @property
    def lock(self) -> Path:
        """Locked for as long as a mesh runs."""
        return self.root / "lock"

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{name}.log"

    @property
    def flags(self) -> tuple[str, ...]:
        """The flag that a command about this mesh needs; none for the usual folder."""
        if self.root == DEFAULT_DATA_DIR:
            return ()
        return ("--data-dir", shlex.quote(str(self.root)))

    def make(self) -> None:
        """Makes the folders. They are their owner's alone, and so are the files of earlier runs."""
        is_ours = self.lock.exists() or not self.root.exists()
        self.root.mkdir(parents=True, exist_ok=True)
        if is_ours:
            # Root's PostgreSQL runs as nobody, who has to pass through, and may not look around.
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.logs, self.gateway, self.certificates):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        secrets = (self.credentials, self.signing_keys, self.session_keys)
        kept = (self.simulator_book, self.state, *secrets, self.lock)
        for file in (*self.logs.iterdir(), *kept):
            if file.is_file():
                file.chmod(0o600)

    def refuse_full_disk(self) -> None:
        """Raises Problem where its disk has no room for a start."""
        free = shutil.disk_usage(self.root).free
        if free < LEAST_START_BYTES:
            raise Problem(
                f"the disk is full: {free / 1e6:.0f} MB are free in {self.root}, and a start needs "
                f"{LEAST_START_BYTES / 1e6:.0f} MB; make room, or choose another folder with "
                "--data-dir"
            )

    def forget(self) -> None:
        """Deletes everything a mesh has made here, and nothing that it has not."""
        for folder in (self.gateway, self.postgres, self.certificates):
            shutil.rmtree(folder, ignore_errors=True)
        for log in self.logs.glob("*.log*"):
            # We may be writing to it ourselves.
            if log != self.log(SUPERVISOR):
                log.unlink()
        for file in (self.simulator_book, self.state, self.credentials):
            file.unlink(missing_ok=True)


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
