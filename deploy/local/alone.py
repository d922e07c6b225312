"""PostgreSQL's programs, run to their end on the files of a cluster that no server runs on. The
superuser has no other way in: one session on the bare files, without a port or a password."""

import re
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from deploy.local.placement import Placement
from deploy.local.problem import Problem

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
# The error while the process of an earlier run is still being removed.
STILL_LISTED = 'lock file "postmaster.pid" already exists'
START_SECONDS = 30.0
_FAILURE = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(.+)")


def run_statements(
    placement: Placement, folder: Path, statements: Iterable[str], database: str = "postgres"
) -> None:
    """Runs statements as the superuser on the cluster in a folder. Raises Problem if one fails."""
    # -j: a statement ends with an empty line. The server writes down errors, but never the
    # statements, which may hold passwords.
    options = ("--single", "-j", "-D", str(folder))
    settings = ("log_min_messages=error", "log_checkpoints=off", "log_min_error_statement=panic")
    words = [word for setting in settings for word in ("-c", setting)]
    run(placement, "postgres", *options, *words, database, stdin=";\n\n".join((*statements, "")))


def run(placement: Placement, name: str, *arguments: str, stdin: str = "") -> None:
    """Runs one of PostgreSQL's programs. Raises Problem, which gives the program's reason."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        done = subprocess.run(  # noqa: S603
            [str(placement.binaries / name), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            # Its user may not be allowed to stand where we stand.
            cwd="/",
            env=ENVIRONMENT,
            **(placement.run_as.options() if placement.run_as else {}),
        )
        if STILL_LISTED not in done.stderr or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    # The single-user server ends with 0 whatever its statements met, and then says of each that
    # follows only that the transaction is over.
    failure = _FAILURE.search(done.stderr)
    if done.returncode != 0 or failure:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        reason = failure[1] if failure else lines[-1]
        raise Problem(f"PostgreSQL's {name} failed: {reason.strip().rstrip('.')}")
