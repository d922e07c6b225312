"""One child process: what it is started with, how one knows that it is healthy, and its end. Its
output goes straight to its log file, so that a terminal that is slow slows nobody."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import ROOT
from deploy.local.process.terminal import Problem

LAUNCHER = Path(__file__).with_name("launch.py")
LARGEST_LOG_BYTES = 20_000_000
# Longer than the services give the calls that are still running.
STOP_SECONDS = 15.0
LEAST_DESCRIPTORS = 256

Check = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class RunAs:
    """The user a process runs as."""

    uid: int
    gid: int

    def options(self) -> dict[str, Any]:
        """The keywords with which subprocess starts a process as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A process of the mesh before it runs."""

    name: str
    command: tuple[str, ...]
    # The whole environment: what is not named here, the process does not see.
    environment: Mapping[str, str]
    # Answers whether it can be relied on. None: it runs once, and is done when it ends with 0.
    healthy: Check | None
    # Names of those that must be healthy before it starts, and that stop after it.
    after: tuple[str, ...] = ()
    port: int | None = None
    metrics_port: int | None = None
    stop_signal: int = signal.SIGTERM
    # The signal that it gets where we die without having stopped it. Nobody is left to wait for a
    # graceful end, and the next start wants the ports.
    orphan_signal: int = signal.SIGKILL
    run_as: RunAs | None = None
    working_directory: Path = ROOT
    # Words in its log that make its early end a matter of waiting and starting it again.
    start_again_on: str | None = None


class Child:
    """A process of the mesh while it runs."""

    def __init__(self, spec: Spec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self.process: asyncio.subprocess.Process | None = None
        self._is_gone = False

    @property
    def pid(self) -> int:
        """The process's id, once it has been started."""
        return self.process.pid if self.process else 0

    @property
    def code(self) -> int | None:
        """How it ended; None while it has not."""
        return self.process.returncode if self.process else None

    async def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C reaches nobody but us."""
        spec = self.spec
        rotate(self.log)
        command = launched(
            spec.command,
            orphan_signal=spec.orphan_signal,
            folder=spec.working_directory,
            run_as=spec.run_as,
        )
        with open(self.log, "ab", opener=private) as output:  # noqa: ASYNC230 - a log, not a read
            self.process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(spec.environment),
                start_new_session=True,
            )
        # Not before: until now the number of the last one was all that could be killed.
        self._is_gone = False

    async def wait(self) -> int:
        """Waits for its end; returns its exit code, negative for a signal."""
        if self.process is None:
            raise RuntimeError(f"{self.spec.name} was never started")
        code = await self.process.wait()
        # Processes that it may have started itself; done now, while the group's number can be
        # nobody else's.
        self.kill()
        self._is_gone = True
        return code

    async def stop(self) -> None:
        """Asks it to end, and kills it where it does not within STOP_SECONDS."""
        if self.process is None or self._is_gone:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(self.spec.stop_signal)
        try:
            await asyncio.wait_for(self.wait(), STOP_SECONDS)
        except TimeoutError:
            self.kill()
            await self.wait()

    def kill(self) -> None:
        """Ends its whole process group, at once."""
        if self.process and not self._is_gone:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


def launched(
    command: Sequence[str], *, orphan_signal: int, folder: Path, run_as: RunAs | None = None
) -> list[str]:
    """The command that starts this one such that it gets orphan_signal when we die (on Linux).

    The kernel watches the thread that starts it, so that has to be one that lasts.
    """
    user = f"{run_as.uid}:{run_as.gid}" if run_as else "-"
    # -I and -S: nothing but the interpreter itself, which is there in a hundredth of a second.
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
    return [*launcher, str(os.getpid()), str(orphan_signal), user, str(folder), *command]


def private(path: str, flags: int) -> int:
    """Opens a file, and makes one that only its owner may read; for open's opener."""
    return os.open(path, flags, 0o600)


def rotate(log: Path) -> None:
    """Moves a log that has grown large aside, over the one moved aside before."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > LARGEST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))


def end_of(log: Path, size: int = 4096) -> str:
    """The last few lines of a log."""
    try:
        with log.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet buried by its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        # It ended between the two questions, or the system has no /proc to ask.
        return not Path("/proc/self").exists()
    return state != "Z"


def describe_end(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def allow_most_descriptors() -> None:
    """Lets this process, and those it starts, have all that they may. Raises Problem if too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems name a number that they then do not give.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < LEAST_DESCRIPTORS:
        raise Problem(
            f"only {soft} files may be open at once, and Caravel needs {LEAST_DESCRIPTORS}; "
            "allow more with `ulimit -n 4096`"
        )
