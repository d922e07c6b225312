"""Opens the database."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from services.shared.db import (
    STATEMENT_SECONDS,
    Address,
    open_engine,
    refuse_owner,
    refuse_unsafe_durability,
)

Opened = AbstractAsyncContextManager[AsyncEngine]


@asynccontextmanager
async def opened_database(
    url: Address,
    application: str,
    *,
    pool_size: int,
    statement_seconds: int = STATEMENT_SECONDS,
    reads_all: bool = False,
    is_live: bool = False,
) -> AsyncIterator[AsyncEngine]:
    """An engine that is closed at the end of the block.

    Raises UnsafeDatabase where the server forgets what it has acknowledged, and where it is live
    for a role that could change it.
    """
    engine = open_engine(
        url,
        pool_size=pool_size,
        application=application,
        statement_seconds=statement_seconds,
        reads_all=reads_all,
    )
    try:
        await refuse_unsafe_durability(engine)
        if is_live:
            await refuse_owner(engine)
        yield engine
    finally:
        await engine.dispose()
