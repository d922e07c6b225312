"""The lists of providers are compared with the attempts for a person: each is counted, whatever is
unknown here is named, and a provider that does not answer is no hindrance to the others."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.recover import lines_of
from services.payments.recovery.comparing import Comparing
from services.payments.recovery.store.marks import PostgresMarks
from tests.database.payments.recovery.lists import Lists, listed, lost_key

WEEK = timedelta(days=7)


async def _said(engine: AsyncEngine, lists: Lists) -> list[str]:
    found = await Comparing(PostgresMarks(engine), lists).compare(datetime.now(UTC) - WEEK)
    return [line for one in found for line in lines_of(one)]


async def test_an_operation_that_is_unknown_here_is_named(engine: AsyncEngine) -> None:
    lost = lost_key()

    said = await _said(engine, Lists(stripe=[listed(lost)], local_wallet=None))

    assert said[0] == "  stripe, collection: 1 listed, 1 unknown here."
    assert lost in said[1]
    assert said[2] == "  local_wallet, payout: it does not answer now."


async def test_an_operation_that_was_accepted_with_the_database_is_counted(
    engine: AsyncEngine,
) -> None:
    await PostgresMarks(engine).accept(accepted_by="ada", reason="a drill")

    said = await _said(engine, Lists(stripe=[listed(lost_key())]))

    assert said[0] == "  stripe, collection: 1 listed, 1 accepted although unknown, 0 unknown here."
    assert (await PostgresMarks(engine).read()).finding == ""


async def test_lists_are_read_from_the_moment_that_is_asked_for(engine: AsyncEngine) -> None:
    lists = Lists()

    await _said(engine, lists)

    assert all(since < datetime.now(UTC) - WEEK for _, since, _ in lists.asked)
