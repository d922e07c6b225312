"""Processes of one service that are forked from one that has done its imports, which are most of a
start; each that is killed, or that a failpoint ends, is forked again. The forking process runs
nothing of the service, so that a new one has nothing of the one before it."""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from deploy.local.process.launch import end_with
from tests.chaos.failpoints import EXIT_CODE
from tests.chaos.members import children_of, send

COUNT_VARIABLE = "CARAVEL_LIVES"
# A file with the variables of those that are forked from now on.
SETTINGS_VARIABLE = "CARAVEL_LIVES_SETTINGS"
FORKED_AGAIN = (EXIT_CODE, -signal.SIGKILL)


def renew(pid: int, settings: Path, variables: Mapping[str, str]) -> None:
    """Kills all processes that this one has forked; the next ones have these variables."""
    settings.write_text(json.dumps(variables))
    for child in children_of(pid):
        send(child, signal.SIGKILL)


def live(become: Callable[[], None]) -> None:
    """Becomes the service, or keeps as many processes of it as COUNT_VARIABLE says."""
    if count := int(os.environ.get(COUNT_VARIABLE, "0")):
        sys.exit(Lives(become).keep(count))
    become()


class Lives:
    """The processes, by number; the first one has the service's page of metrics."""

    def __init__(self, become: Callable[[], None]) -> None:
        self._become = become
        self._number_of: dict[int, int] = {}
        self._stopping = False

    def keep(self, count: int) -> int:
        """Keeps so many until one ends by itself or we are to stop; the exit code of the last."""
        signal.signal(signal.SIGTERM, self._stop)
        for number in range(count):
            if not self._stopping:
                self._fork(number)
        code = 0
        while self._number_of:
            pid, status = os.wait()
            number, code = self._number_of.pop(pid), os.waitstatus_to_exitcode(status)
            if code in FORKED_AGAIN and not self._stopping:
                self._fork(number)
            elif not self._stopping:
                self._stop()
        return code

    def _fork(self, number: int) -> None:
        parent = os.getpid()
        # A stop in between would miss the new process, or be taken by our handler in it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if pid := os.fork():
            self._number_of[pid] = number
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        end_with(parent, signal.SIGKILL)
        with suppress(FileNotFoundError):
            os.environ.update(json.loads(Path(os.environ[SETTINGS_VARIABLE]).read_text()))
        if number:
            os.environ["METRICS_PORT"] = "0"
        self._become()
        sys.exit()

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in self._number_of:
            os.kill(pid, signal.SIGTERM)
