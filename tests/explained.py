"""Explains every quote that a test has made."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.prices import Prices
from services.payments.base import sources, tables
from services.payments.base.unreadable import UnreadableRow, fetch_each
from tests.conftest import is_treated


async def unexplained(engine: AsyncEngine) -> list[str]:
    """The quotes of which a figure is not what its stored inputs make of it; none where the test
    has changed rows itself."""
    if is_treated(engine):
        return []
    prices = Prices({})
    for quote in await fetch_each(engine, sources.QUOTES, select(tables.quotes)):
        if not isinstance(quote, UnreadableRow):
            prices.look(quote)
    return list(prices.finding.examples)
