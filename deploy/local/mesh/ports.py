"""TCP ports on this machine for one mesh. They come from a block that nobody else's mesh uses while
ours lives, and are outside of the range that the kernel hands to outgoing connections: none is
taken between choice and use, nor while the process that listens there is dead."""

import random
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.process.terminal import Problem

HOST = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 32_767
BLOCK_PORTS = 100
_KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: the remains of closed connections are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextmanager
def claimed(
    names: Sequence[str], besides: Collection[int] = (), blocks: Sequence[int] = ()
) -> Iterator[dict[str, int]]:
    """A free port for every name, all different and no other mesh's until the block ends.

    besides are ports that are spoken for, though nobody may listen there yet; blocks are the first
    ports of those to look at, in place of all. Raises Problem where there is no room.
    """
    for first in blocks or _shuffled(_blocks()):
        # The process that has bound the first port of a block owns the block until it ends.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as claim:
            try:
                claim.bind((HOST, first))
            except OSError:
                continue
            others = (port for port in range(first + 1, first + BLOCK_PORTS) if is_free(port))
            free = [port for port in others if port not in besides]
            if len(free) >= len(names):
                yield dict(zip(names, free, strict=False))
                return
    raise Problem("no block of ports is left; stop a mesh that runs")


def blocks_of(rest_port: int) -> list[int]:
    """The first port of every block, in the order in which the mesh on this port looks for one.

    It always begins with the same: where its pages of metrics are does not change with a start.
    """
    blocks = _blocks()
    at = rest_port % len(blocks)
    return blocks[at:] + blocks[:at]


def _blocks() -> list[int]:
    first, last = kernel_range()
    blocks = list(range(LOWEST, HIGHEST + 1 - BLOCK_PORTS, BLOCK_PORTS))
    # Where the kernel was given all of them, sharing is what is left.
    return [block for block in blocks if not first - BLOCK_PORTS < block <= last] or blocks


def _shuffled(blocks: list[int]) -> list[int]:
    random.SystemRandom().shuffle(blocks)
    return blocks


def kernel_range() -> tuple[int, int]:
    """The first and last port of outgoing connections."""
    try:
        first, last = _KERNEL_RANGE.read_text().split()
    except (OSError, ValueError):
        return 32_768, 65_535
    return int(first), int(last)
