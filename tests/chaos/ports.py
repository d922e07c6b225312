"""Ports that one mesh keeps for itself while it lives, also while the process that listens there is
dead: meshes side by side divide the range into blocks, and each locks its own."""

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local import ports
from deploy.local.problem import Problem

BLOCK_PORTS = 100
LOCKS = Path(tempfile.gettempdir()) / f"caravel-chaos-ports-{os.getuid()}"


@contextmanager
def claimed(names: Sequence[str]) -> Iterator[dict[str, int]]:
    """A port for every name, nobody else's among the meshes here until the block ends."""
    LOCKS.mkdir(exist_ok=True)
    blocks = list(range(ports.LOWEST, ports.HIGHEST - BLOCK_PORTS, BLOCK_PORTS))
    random.SystemRandom().shuffle(blocks)
    for first in blocks:
        handle = os.open(LOCKS / str(first), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            picked = _locked(handle, first, names)
            if picked:
                yield picked
                return
        finally:
            os.close(handle)
    raise Problem("no block of ports is left; stop a mesh that runs")


def _locked(handle: int, first: int, names: Sequence[str]) -> dict[str, int] | None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    free = [port for port in range(first, first + BLOCK_PORTS) if ports.is_free(port)]
    return dict(zip(names, free, strict=False)) if len(free) >= len(names) else None
