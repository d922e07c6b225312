"""The limits that the system sets to a mesh: file descriptors and room on the disk. It needs the
standard library only, because without descriptors nothing else can be imported."""

import resource
import shutil
from contextlib import suppress
from pathlib import Path

from deploy.local.problem import Problem

LEAST_DESCRIPTORS = 256
# A new database takes 40 MB, and its log 16 MB at least.
LEAST_START_BYTES = 100_000_000


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


def refuse_full_disk(folder: Path) -> None:
    """Raises Problem where the folder's disk has no room for a start."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_START_BYTES:
        raise Problem(
            f"the disk is full: {free / 1e6:.0f} MB are free in {folder}, and a start needs "
            f"{LEAST_START_BYTES / 1e6:.0f} MB; make room, or choose another folder with --data-dir"
        )
