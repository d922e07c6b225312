"""One worker reads a list of events at a time, from a place that survives every death; what is kept
and whose place is not is known when it is read again."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.mesh.ports import EventPage, ListedEvent, ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.dispute import DisputeKind, DisputeReport, DisputeStatus
from services.payments.webhooks_in.ports import Place, Receipt
from services.payments.webhooks_in.reader import EventReader
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_in.store.lists import PostgresEventLists
from services.payments.webhooks_in.usecases import read_listed
from services.shared.errors import Unavailable
from services.shared.money import Money
from tests.database.payments.engine.carried import carry, create
from tests.fakes import ScriptedProviders
from tests.makers import CAPABILITIES
from tests.poison import rows, run

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LISTS = {"stripe": replace(CAPABILITIES["stripe"], lists_events=True)}
COLLECTED = "x_1"
_PLACE = "SELECT read_until, page FROM event_lists"
_INBOX = "SELECT event_id, state FROM webhook_inbox WHERE event_id LIKE 'evt%' ORDER BY event_id"


async def _claim(engine: AsyncEngine, *, lease_seconds: float = 30) -> Place | None:
    return await PostgresEventLists(engine).claim(["stripe"], lease_seconds=lease_seconds)


async def _due(engine: AsyncEngine) -> None:
    await run(engine, "UPDATE event_lists SET due_at = now()")


async def test_two_workers_read_a_list_once(engine: AsyncEngine) -> None:
    places = await asyncio.gather(*(_claim(engine) for _ in range(5)))

    assert len([place for place in places if place]) == 1


async def test_each_list_is_read_for_itself(engine: AsyncEngine) -> None:
    lists = PostgresEventLists(engine)

    claimed = [await lists.claim(["acme", "stripe"], lease_seconds=30) for _ in range(3)]

    assert {place.provider for place in claimed if place} == {"acme", "stripe"}
    assert claimed[2] is None


async def test_a_place_survives_its_worker(engine: AsyncEngine) -> None:
    place = await _claim(engine)
    assert place is not None
    halfway = replace(place, read_until=NOW, page="evt_9", newest_at=NOW + timedelta(seconds=5))

    assert await PostgresEventLists(engine).move(halfway, due_in_seconds=0)
    found = await _claim(engine)

    assert found == replace(halfway, lease_token=place.lease_token + 1)


async def test_a_worker_whose_lease_is_over_moves_no_place(engine: AsyncEngine) -> None:
    lists = PostgresEventLists(engine)
    old = await _claim(engine, lease_seconds=0)
    new = await _claim(engine)
    assert old is not None
    assert new is not None

    assert not await lists.move(replace(old, read_until=NOW), due_in_seconds=0)

    assert [tuple(row) for row in await rows(engine, _PLACE)] == [(None, "")]
    assert await lists.move(new, due_in_seconds=60)
    assert await _claim(engine) is None


async def test_an_event_of_the_future_does_not_hide_those_until_then(engine: AsyncEngine) -> None:
    place = await _claim(engine)
    assert place is not None
    future = datetime.now(UTC) + timedelta(days=365)

    await PostgresEventLists(engine).move(replace(place, read_until=future), due_in_seconds=0)

    found = await _claim(engine)
    assert found is not None
    assert found.read_until is not None
    assert found.read_until < datetime.now(UTC) + timedelta(minutes=1)


class Lists(ScriptedProviders):
    """Providers with a list of one dispute, which was opened and lost."""

    async def list_events(self, provider: str, since: datetime | None, page: str) -> EventPage:
        return EventPage(
            events=(
                _event("evt_2", DisputeStatus.LOST, 2),
                _event("evt_1", DisputeStatus.NEEDS_RESPONSE, 1),
            )
        )


def _event(event_id: str, status: DisputeStatus, seconds: int) -> ListedEvent:
    at = NOW + timedelta(seconds=seconds)
    report = DisputeReport(
        kind=DisputeKind.DISPUTE,
        provider_reference="du_1",
        status=status,
        reason="fraudulent",
        amount=Money(10_000, "USD"),
        withdrawn=Money(10_000, "USD"),
        respond_by=None,
    )
    read = ProviderEvent(
        provider="stripe",
        event_id=event_id,
        event_type="charge.dispute.updated",
        transaction_id="",
        step=None,
        answer=Answer(outcome=Outcome.UNKNOWN, actor="provider:stripe", occurred_at=at),
        collection_reference=COLLECTED,
        dispute=report,
    )
    return ListedEvent(read=read, body=b"{}", created_at=at)


class DiesBeforeTheMove(PostgresEventLists):
    """A worker that is killed between the commit of the inbox and that of the place."""

    async def move(self, place: Place, *, due_in_seconds: float) -> bool:
        raise Unavailable("killed")


def _reader(engine: AsyncEngine, lists: PostgresEventLists) -> EventReader:
    return EventReader(Lists(), PostgresInbox(engine), lists, LISTS, every_seconds=60)


async def test_a_dispute_that_no_webhook_brought_is_on_its_payment(engine: AsyncEngine) -> None:
    payment = await create(engine)
    await carry(engine)

    await _reader(engine, PostgresEventLists(engine)).run_once()
    await carry(engine)

    found = await rows(engine, "SELECT payment_id, status, withdrawn_minor FROM disputes")
    assert [tuple(row) for row in found] == [(payment.id, "LOST", 10_000)]
    lost = "SELECT sum(balance_minor)::int FROM balances WHERE account = 'chargebacks:USD'"
    assert [tuple(row) for row in await rows(engine, lost)] == [(10_000,)]


async def test_a_page_that_was_kept_before_a_death_is_known_when_it_is_read_again(
    engine: AsyncEngine,
) -> None:
    await create(engine)
    await carry(engine)
    await _reader(engine, DiesBeforeTheMove(engine)).run_once()
    await carry(engine)
    applied = [tuple(row) for row in await rows(engine, _INBOX)]

    await _due(engine)
    await _reader(engine, PostgresEventLists(engine)).run_once()

    assert applied == [("evt_1", "APPLIED"), ("evt_2", "APPLIED")]
    assert [tuple(row) for row in await rows(engine, _INBOX)] == applied
    assert [tuple(row) for row in await rows(engine, _PLACE)] == [(NOW + timedelta(seconds=2), "")]


@pytest.mark.parametrize("first", ["webhook", "list"])
async def test_an_event_that_comes_both_ways_counts_once(engine: AsyncEngine, first: str) -> None:
    await create(engine)
    await carry(engine)
    inbox, reader = PostgresInbox(engine), _reader(engine, PostgresEventLists(engine))
    page = await Lists().list_events("stripe", None, "")
    arrivals = [one for one in map(read_listed, page.events) if one]

    if first == "list":
        await reader.run_once()
        assert await inbox.receive(arrivals) == [Receipt.DUPLICATE] * 2
    else:
        assert await inbox.receive(arrivals) == [Receipt.ACCEPTED] * 2
        await reader.run_once()

    async with engine.connect() as connection:
        kept = await connection.scalar(text("SELECT count(*) FROM webhook_inbox"))
    assert kept == 2
