"""Runs of whole meshes side by side, each in a process of its own: their proxies live in it."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

# More would share two cores to the point where every wait is a fault of its own.
AT_ONCE = 2
Item = TypeVar("Item")
How = TypeVar("How")
Found = TypeVar("Found")


def side_by_side(
    work: Callable[[Item, How], Found], items: Sequence[Item], how: How, at_once: int = AT_ONCE
) -> Iterator[Found]:
    """The results as they come, with so many runs at once."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=spawn) as pool:
        runs = [pool.submit(work, item, how) for item in items]
        yield from (done.result() for done in as_completed(runs))
