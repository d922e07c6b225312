"""Wise's list of transfers, in whatever order Wise has it: every transfer is on a page, the newest
page comes first, and a list that cannot be read whole is no answer."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.http import open_session
from services.providers.adapters.wise.translate import mark_of
from services.providers.config import Config
from services.providers.domain import Kind
from services.providers.listed import ListedOperation, OperationQuery
from services.providers.ports import OperationLister
from services.shared.errors import Unavailable
from tests.contract.lab import provider_environment, serving

NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(days=1)
Rows = list[dict[str, Any]]
ORDERS: dict[str, Callable[[Rows], object]] = {
    "the oldest first": lambda rows: None,
    "the newest first": lambda rows: rows.reverse(),
    "in no order": lambda rows: random.Random(7).shuffle(rows),
}


class StoppedClock:
    """A clock that stands at the time of these tests."""

    def now(self) -> datetime:
        return NOW


def transfers(number: int, *, within: timedelta, until: datetime = NOW) -> Rows:
    """So many of them, evenly over the time until then, the oldest first."""
    return [
        {
            "id": place + 1,
            "customerTransactionId": str(mark_of(f"key-{place}")),
            "created": (until - within + within * place / number).isoformat(
                timespec="milliseconds"
            ),
        }
        for place in range(number)
    ]


@dataclass
class Account:
    """An account whose only call is the list."""

    rows: Rows
    asked: list[Any] = field(default_factory=list)

    async def list(self, request: web.Request) -> web.Response:
        """The transfers of the time that is asked for, in the order of the account."""
        query = request.query
        self.asked.append(query)
        start = datetime.fromisoformat(query["createdDateStart"])
        end = datetime.fromisoformat(query.get("createdDateEnd", "9999-01-01T00:00:00Z"))
        made = [row for row in self.rows if start <= datetime.fromisoformat(row["created"]) <= end]
        first, limit = int(query["offset"]), int(query["limit"])
        return web.json_response(made[first : first + limit])


@asynccontextmanager
async def listing(account: Account) -> AsyncIterator[OperationLister]:
    """Wise's adapter at such an account."""
    app = web.Application()
    app.router.add_get("/v1/transfers", account.list)
    async with serving(app) as url, open_session() as session:
        adapter = ADAPTERS["wise"].open(
            Config.load(provider_environment(url)), session, StoppedClock()
        )
        assert isinstance(adapter, OperationLister)
        yield adapter


async def pages_of(adapter: OperationLister) -> Sequence[Sequence[ListedOperation]]:
    """Every page, to the last one."""
    query, pages = OperationQuery(kind=Kind.PAYOUT, since=SINCE), []
    while True:
        page = await adapter.list_operations(query)
        pages.append(page.operations)
        if not page.next_page:
            return pages
        query = replace(query, page=page.next_page)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
async def test_every_transfer_is_on_a_page_and_the_newest_are_on_the_first(
    order: Callable[[Rows], object],
) -> None:
    rows = transfers(1500, within=timedelta(hours=20))
    order(rows)

    async with listing(Account(rows)) as adapter:
        pages = await pages_of(adapter)

    found = [one.provider_reference for page in pages for one in page]
    assert [*dict.fromkeys(found)] == [str(number) for number in range(1500, 0, -1)]


@pytest.mark.parametrize("number", [0, 49, 50, 51, 499])
async def test_a_list_that_is_read_at_once_has_one_page(number: int) -> None:
    account = Account(transfers(number, within=timedelta(hours=20)))

    async with listing(account) as adapter:
        (page,) = await pages_of(adapter)

    assert len(page) == number


async def test_a_busy_time_is_found_in_few_questions() -> None:
    account = Account(transfers(3000, within=timedelta(minutes=10)))

    async with listing(account) as adapter:
        page = await adapter.list_operations(OperationQuery(kind=Kind.PAYOUT, since=SINCE))

    assert page.operations[0].provider_reference == "3000"
    assert len(account.asked) <= 40


@pytest.mark.parametrize("quiet", [timedelta(minutes=1), timedelta(hours=5)])
async def test_the_first_page_has_the_newest_also_after_a_quiet_time(quiet: timedelta) -> None:
    account = Account(transfers(3000, within=timedelta(minutes=10), until=NOW - quiet))

    async with listing(account) as adapter:
        page = await adapter.list_operations(OperationQuery(kind=Kind.PAYOUT, since=SINCE))

    assert page.operations[0].provider_reference == "3000"


async def test_more_transfers_in_a_moment_than_can_be_read_are_no_answer() -> None:
    account = Account(transfers(1500, within=timedelta(milliseconds=500)))

    async with listing(account) as adapter:
        with pytest.raises(Unavailable):
            await pages_of(adapter)
