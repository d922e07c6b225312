"""Batches that are bounded by the bytes of their items."""

import asyncio
from collections.abc import Sequence

import pytest

from services.payments.base.batcher import Batcher

BYTES_MAX = 10


@pytest.mark.parametrize("groups", [1, 2])
async def test_a_batch_holds_so_many_bytes_or_one_item(groups: int) -> None:
    batches: list[list[int]] = []

    async def work(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        return items

    batcher = Batcher[int, int](
        work,
        largest_batch=10,
        parallel=1,
        waiting_max=100,
        largest_bytes=BYTES_MAX,
        size=lambda item: item,
        group=lambda item: item % groups,
    )

    items = [4, 5, 6, 99, 1, 2, 3]
    assert await asyncio.gather(*(batcher.submit(item) for item in items)) == items

    assert sorted(item for batch in batches for item in batch) == sorted(items)
    assert all(sum(batch) <= BYTES_MAX or len(batch) == 1 for batch in batches)
    assert len(batches) < len(items)
