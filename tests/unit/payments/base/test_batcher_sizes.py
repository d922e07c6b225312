"""How many items share a batch is published."""

import asyncio
from collections.abc import Sequence

from prometheus_client import REGISTRY

from services.payments.base.batcher import Batcher


async def test_the_sizes_of_batches_are_published_under_their_name() -> None:
    async def work(items: Sequence[int]) -> Sequence[int]:
        return items

    batcher = Batcher[int, int](work, name="published", largest_batch=3, parallel=1, waiting_max=10)
    await asyncio.gather(*map(batcher.submit, range(4)))

    def value(part: str) -> float | None:
        return REGISTRY.get_sample_value(f"caravel_batch_items_{part}", {"batch": "published"})

    assert (value("count"), value("sum")) == (2, 4)
