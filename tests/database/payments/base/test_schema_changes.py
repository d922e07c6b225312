"""A migration under a running mesh: a column that is added disturbs no statement that sessions have
prepared, and where one is changed, what was undone for it is done again at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import tables
from services.payments.engine.claims import Claims
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.model.operator import ActionFilter
from services.payments.model.payment import State
from services.payments.operators.domain import LetterFilter
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.usecases import Operating
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.ports import PaymentFilter
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.store.endpoints import PostgresEndpoints
from services.payments.webhooks_out.store.outbox import PostgresOutbox
from services.shared.ids import new_id
from tests.conftest import Database
from tests.database.payments.base.test_plans import STATEMENTS
from tests.fakes import ScriptedProviders
from tests.makers import CAPABILITIES, make_new_payment, make_quote
from tests.poison import arrival

TABLES = sorted(tables.metadata.tables)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.owner_url)
    yield connection
    await connection.close()


async def add_columns(owner: asyncpg.Connection, name: str) -> None:
    for table in TABLES:
        await owner.execute(f"ALTER TABLE {table} ADD COLUMN {name} text DEFAULT 'new'")


async def test_a_prepared_statement_outlives_new_columns(
    database: Database, owner: asyncpg.Connection, engine: AsyncEngine
) -> None:
    session = await asyncpg.connect(database.url)
    executions = []
    for number, statement in enumerate(STATEMENTS.values()):
        words = str(statement.compile(dialect=engine.dialect))
        count = len((await session.prepare(words)).get_parameters())
        given = f"({', '.join(['NULL'] * count)})" if count else ""
        await session.execute(f"PREPARE tried_{number} AS {words}")
        executions.append(f"EXPLAIN EXECUTE tried_{number}{given}")
    for execution in executions:
        await session.execute(execution)

    await add_columns(owner, "added")

    for execution in executions:
        await session.execute(execution)
    await session.close()


class Traffic:
    """Everything that the service and the worker do with the database, one by one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.payments = PostgresPayments(engine, encode_event)
        self.endpoints = PostgresEndpoints(engine)
        self.inbox = PostgresInbox(engine)
        self.outbox = PostgresOutbox(engine)
        self.operating = Operating(
            PostgresOperations(engine, encode_event), ScriptedProviders(), lambda: 0.0
        )
        self.work = PostgresWork(engine, encode_event)
        self.cancelling = Cancelling(self.work)
        self.claims = Claims(
            self.work,
            Decider(CAPABILITIES, spread=lambda: 0.0),
            owner="test",
            lease_seconds=30,
            poll_seconds=0,
        )

    async def read(self) -> None:
        """Makes a payment and asks for all that can be asked."""
        new = make_new_payment()
        await self.payments.create([new])
        assert (await self.payments.get("sandbox", new.payment.id)).id == new.payment.id
        assert await self.payments.page("sandbox", PaymentFilter(), before=None, limit=5)
        assert await self.payments.events("sandbox", new.payment.id)
        quote = make_quote()
        await self.payments.add_quote(quote)
        assert (await self.payments.quotes([("sandbox", quote.id)]))[1]
        assert (await self.payments.answers([new.key]))[1]
        await self.operating.dead_letters(LetterFilter(), limit=5)
        await self.operating.actions(ActionFilter(merchant_id="sandbox"), before=None, limit=5)

    async def write(self) -> None:
        """Cancels a payment, refunds one, and keeps an event."""
        cancelled, held = make_new_payment(), make_new_payment(state=State.FUNDED)
        await self.payments.create([cancelled, held])
        await self.cancelling.cancel("sandbox", cancelled.payment.transaction_id)
        await self.inbox.receive([arrival(held.payment.id, new_id().hex)])

    async def deliver(self) -> None:
        """Registers an endpoint, claims what it is to be sent, and deletes it."""
        added = await self.endpoints.add("sandbox", new_id(), "https://example.com", "whsec_x")
        await self.endpoints.list("sandbox")
        await self.payments.create([make_new_payment()])
        await self.outbox.claim({}, each=4, limit=8, lease_seconds=30)
        await self.outbox.waiting(limit=1)
        await self.endpoints.delete("sandbox", added.id)

    async def claim(self) -> None:
        """Takes payments, as a worker does."""
        await self.claims.take(8)
        await self.claims.take_failed()

    @property
    def parts(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        return (self.read, self.write, self.deliver, self.claim)


async def test_columns_are_added_under_traffic_and_nobody_notices(
    owner: asyncpg.Connection, engine: AsyncEngine
) -> None:
    traffic, done = Traffic(engine), asyncio.Event()

    async def keep_on(part: Callable[[], Awaitable[None]]) -> int:
        turns = 0
        while not done.is_set() or turns < 2:
            await part()
            turns += 1
        return turns

    async def migrate() -> None:
        for number in range(3):
            await add_columns(owner, f"added_{number}")
            # Each part once with the new schema, before the next change.
            await asyncio.gather(*(part() for part in traffic.parts))
        done.set()

    turns = await asyncio.gather(*(keep_on(part) for part in traffic.parts), migrate())

    assert min(turn for turn in turns if turn is not None) >= 2


CHANGES: dict[str, tuple[str, ...]] = {
    "reads": (
        "payments ALTER reference TYPE varchar",
        "quotes ALTER corridor_id TYPE varchar",
        "payment_events ALTER cause TYPE varchar",
        "operator_actions ALTER note TYPE varchar",
        "idempotency_keys ALTER fingerprint TYPE bytea USING fingerprint",
    ),
    "write": ("payments ALTER reference TYPE varchar", "attempts ALTER provider TYPE varchar"),
    "deliver": ("webhook_endpoints ALTER url TYPE varchar", "outbox ALTER event_type TYPE varchar"),
}


@pytest.mark.parametrize("part", ["read", "write", "deliver"])
async def test_a_column_whose_type_changes_stops_no_request(
    part: str, owner: asyncpg.Connection, engine: AsyncEngine
) -> None:
    traffic = Traffic(engine)
    run: Callable[[], Awaitable[Any]] = getattr(traffic, part)
    # As many sessions as the pool has, each with its own prepared statements.
    await asyncio.gather(*(run() for _ in range(8)))

    for change in {change for changes in CHANGES.values() for change in changes}:
        await owner.execute(f"ALTER TABLE {change}")

    await asyncio.gather(*(run() for _ in range(8)))
