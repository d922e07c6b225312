"""Work beside a block ends with the block, and its errors are not lost."""

import asyncio

import pytest

from services.shared.beside import beside


async def test_the_work_ends_with_the_block() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside(work):
        await begun.wait()
        assert not ended.is_set()

    assert ended.is_set()


async def test_an_error_that_ended_the_work_is_raised_at_the_end_of_the_block() -> None:
    failed = asyncio.Event()

    async def work() -> None:
        failed.set()
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        async with beside(work):
            await failed.wait()
            await asyncio.sleep(0)


async def test_an_error_of_the_block_goes_on_its_way() -> None:
    with pytest.raises(ValueError, match="the block"):
        async with beside(asyncio.Event().wait):  # type: ignore[arg-type]
            raise ValueError("the block")
