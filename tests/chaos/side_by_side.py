"""Runs of whole meshes side by side, each in a process of its own: their proxies live in it. An
interrupted command interrupts each run once, so that each stops its mesh, and begins no other."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from typing import Any, TypeVar

# More would share two cores to the point where every wait is a fault of its own.
AT_ONCE = 2
LOOK_AGAIN_SECONDS = 0.2
Item = TypeVar("Item")
How = TypeVar("How")
Found = TypeVar("Found")


def side_by_side(
    work: Callable[[Item, How], Found], items: Sequence[Item], how: How, at_once: int = AT_ONCE
) -> Iterator[Found]:
    """The results as they come, with so many runs at once."""
    before = _interruptible()
    with ThreadPoolExecutor(at_once) as threads:
        runs = [threads.submit(_in_a_process, work, item, how) for item in items]
        try:
            yield from (done.result() for done in as_completed(runs))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            _interrupt_until_done(runs)
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _interruptible() -> Mapping[int, Any]:
    """Lets both signals interrupt us; returns the handlers before. A command that another one ends
    leaves no mesh behind either, and commands in the background of a shell ignore Ctrl-C."""
    return {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGINT)
    }


def _begin() -> None:
    # A session of its own gets no Ctrl-C of the terminal: a second signal would cut its cleaning.
    os.setsid()
    _interruptible()


def _in_a_process(work: Callable[[Item, How], Found], item: Item, how: How) -> Found:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin) as process:
        return process.submit(work, item, how).result()


def _interrupt_until_done(runs: Sequence[Future[Found]]) -> None:
    # A process that is just being started can only be interrupted a moment later.
    interrupted = set[int]()
    begun = [run for run in runs if not run.cancelled()]
    while wait(begun, timeout=LOOK_AGAIN_SECONDS).not_done:
        started = {child.pid for child in multiprocessing.active_children() if child.pid}
        for pid in started - interrupted:
            os.kill(pid, signal.SIGINT)
        interrupted |= started
