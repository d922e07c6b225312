"""The comparison beside a process, for as long as it runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.payments.mesh.channels import opened_operation_lists
from services.payments.recovery.ports import Marks
from services.payments.recovery.standing import Standing
from services.shared.beside import beside
from services.shared.identity import Identity


@asynccontextmanager
async def compared(
    marks: Marks, providers_target: str, identity: Identity, *, grows: bool
) -> AsyncIterator[Standing]:
    """Compared once before the block, and again and again beside it."""
    async with opened_operation_lists(providers_target, identity) as lists:
        standing = Standing(marks, lists, grows=grows)
        await standing.begin()
        marks.watch(standing.meet, standing.admit)
        async with beside(standing.run):
            yield standing
