"""Free TCP ports on this machine. Those inside the mesh are picked anew at each start, outside of
the range that the kernel hands to outgoing connections: none is taken between choice and use."""

import random
import socket
from collections.abc import Iterable
from pathlib import Path

HOST = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 32_767
_KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: the remains of closed connections are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def pick(names: Iterable[str]) -> dict[str, int]:
    """A free port for every name, all different."""
    first, last = kernel_range()
    ours = range(LOWEST, HIGHEST + 1)
    # Where the kernel was given all of them, sharing is what is left.
    candidates = [port for port in ours if not first <= port <= last] or list(ours)
    random.SystemRandom().shuffle(candidates)
    free = (port for port in candidates if is_free(port))
    return {name: next(free) for name in names}


def kernel_range() -> tuple[int, int]:
    """The first and last port of outgoing connections."""
    try:
        first, last = _KERNEL_RANGE.read_text().split()
    except (OSError, ValueError):
        return 32_768, 65_535
    return int(first), int(last)
