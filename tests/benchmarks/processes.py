"""Processor seconds and memory of the mesh's processes, each with its children."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from tests.chaos.topology import kind_of

GENERATOR = "generator"


@dataclass(frozen=True)
class Memory:
    """Of one kind of process, in bytes: resident, and with what is shared counted once."""

    rss: int
    # None where the system does not say.
    pss: int | None


def processor_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system time so far, by kind of process, and of ourselves as the generator."""
    used: dict[str, float] = {}
    for name, pid in {**pids, GENERATOR: os.getpid()}.items():
        process = psutil.Process(pid)
        whole = process.cpu_times()
        seconds = whole.user + whole.system
        if name != GENERATOR:
            # PostgreSQL's sessions: those that live, and those that have ended.
            seconds += whole.children_user + whole.children_system
            for child in process.children(recursive=True):
                try:
                    times = child.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                seconds += times.user + times.system
        used[kind_of(name)] = used.get(kind_of(name), 0.0) + seconds
    return used


def memory(pids: Mapping[str, int]) -> dict[str, Memory]:
    """Memory by kind of process."""
    found: dict[str, Memory] = {}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            before = found.get(kind_of(name), Memory(0, 0))
            rss, pss = _memory_of(one)
            total = None if before.pss is None or pss is None else before.pss + pss
            found[kind_of(name)] = Memory(before.rss + rss, total)
    return found


def _memory_of(process: psutil.Process) -> tuple[int, int | None]:
    try:
        rss = int(process.memory_info().rss)
        return rss, int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0, 0
    except (psutil.AccessDenied, AttributeError):
        return rss, None
