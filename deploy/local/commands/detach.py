"""`up --detach`: a second process runs the mesh in a session of its own, and this one shows how it
goes until it is ready or has failed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from deploy.local.mesh import state
from deploy.local.mesh.state import SUPERVISOR, DataDir
from deploy.local.process import terminal
from deploy.local.process.logs import Tail
from deploy.local.process.paths import ROOT, private

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
        process = _start(data_dir, arguments, writer)
        os.close(writer)
        code = _watch(data_dir, process)
        if code and (why := reason.read()):
            terminal.complain(why)
    return code


def _watch(data_dir: DataDir, process: "subprocess.Popen[bytes]") -> int:
    """Shows what it says until it is ready or has ended; 0, or the code that it ended with."""
    output = Tail(data_dir.log(SUPERVISOR), from_start=True)
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


def _start(
    data_dir: DataDir, arguments: Sequence[str], reason_to: int
) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, terminal.REASON_VARIABLE: str(reason_to)}
    if terminal.is_coloured():
        environment["CARAVEL_COLOR"] = "1"
    command = [sys.executable, "-P", "-m", "deploy.local", *arguments]
    log = data_dir.log(SUPERVISOR)
    with open(log, "wb", opener=private) as output:
        return subprocess.Popen(  # noqa: S603
            command,
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


def _relay(output: Tail) -> None:
    for line in output.new_lines():
        terminal.say(line)
