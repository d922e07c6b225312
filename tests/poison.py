"""Things that keep breaking down, until they are set aside: a payment that cannot be read, an event
that cannot be read, and a notification that no endpoint takes."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.claims import Claims
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.quarantine import Patience
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.webhooks_in.ports import Arrival
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.shared.ids import encode_id
from tests.conftest import owner_of
from tests.makers import CAPABILITIES

SOON = Patience(first_rest=timedelta(0))
# The constraints and triggers that would refuse a damage, in any table.
UNGUARDED = """
    DO $$ DECLARE c record; BEGIN
        FOR c IN SELECT conname, conrelid::regclass AS name FROM pg_constraint
                  WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.name, c.conname);
        END LOOP;
        FOR c IN SELECT oid::regclass AS name FROM pg_class
                  WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', c.name);
        END LOOP;
    END $$
"""


async def run(engine: AsyncEngine, *statements: str, **values: Any) -> None:
    """Runs statements in one transaction of the owner's."""
    owner = owner_of(engine)
    async with owner.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement), values)
    await owner.dispose()


async def rows(engine: AsyncEngine, query: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query), values)]


def claims(engine: AsyncEngine, decider: Decider | None = None) -> Claims:
    """A worker's claims, as they are when its process has just started."""
    return Claims(
        PostgresWork(engine, patience=SOON),
        decider or Decider(CAPABILITIES, spread=lambda: 0.0),
        owner=uuid4().hex,
        lease_seconds=30,
        poll_seconds=0,
    )


async def set_aside_step(engine: AsyncEngine, payment_id: UUID) -> None:
    """Leaves the payment set aside, and its row whole again."""
    broken = "UPDATE payments SET route = :route WHERE id = :id"
    ((route,),) = await rows(engine, "SELECT route::text FROM payments WHERE id=:id", id=payment_id)
    await run(engine, broken.replace(":route", "'{}'"), id=payment_id)
    worker = claims(engine)
    await worker.take(16)
    for _ in range(SOON.limit):
        await worker.take_failed()
    await run(engine, broken.replace(":route", "CAST(:route AS jsonb)"), route=route, id=payment_id)


def arrival(payment_id: UUID, event_id: str = "evt_1") -> Arrival:
    """An event that says that the payout is done, as it comes in."""
    event = ProviderEvent(
        provider="local_wallet",
        event_id=event_id,
        event_type="payment_completed",
        transaction_id=encode_id("pay", payment_id),
        step=Step.PAYOUT,
        answer=Answer(outcome=Outcome.SUCCEEDED, actor="provider:local_wallet", event_id=event_id),
    )
    return Arrival(event=event, payment_id=payment_id, body=b"{}", keep_unmatched=True)


async def bring(engine: AsyncEngine, payment_id: UUID, event_id: str = "evt_1") -> None:
    """Brings that event."""
    await PostgresInbox(engine).receive([arrival(payment_id, event_id)])


async def set_aside_event(engine: AsyncEngine, payment_id: UUID, event_id: str = "evt_1") -> None:
    """Leaves an event of the payment set aside, and its row whole again."""
    await bring(engine, payment_id, event_id)
    answer = "UPDATE webhook_inbox SET answer = {} WHERE event_id = :event_id"
    ((kept,),) = await rows(
        engine, "SELECT answer::text FROM webhook_inbox WHERE event_id = :id", id=event_id
    )
    await run(engine, answer.format("'{}'"), event_id=event_id)
    worker = claims(engine)
    due = "UPDATE payments SET due_at = now(), lease_until = NULL WHERE id = :id"
    for _ in range(SOON.limit):
        await run(engine, due, id=payment_id)
        await worker.take(16)
    await run(engine, due, id=payment_id)
    await run(engine, answer.format("CAST(:kept AS jsonb)"), kept=kept, event_id=event_id)


async def set_aside_notice(engine: AsyncEngine, payment_id: UUID) -> None:
    """Leaves a notification of the payment set aside."""
    await run(
        engine,
        """
        INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body, state,
               failures, last_error)
        VALUES ('sandbox', :id, 1, gen_random_uuid(), 'payment.created', '{}', 'SET_ASIDE', 9,
                'status 500')
        """,
        id=payment_id,
    )
