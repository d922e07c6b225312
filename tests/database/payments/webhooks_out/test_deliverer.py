"""The deliverer over a real database and real sockets: it delivers at least once under one id,
marks only what was answered, and lets nobody wait for a slow or broken endpoint."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.endpoint import Endpoint
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_out.addresses import Targets
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.deliverer import UNDER_WAY_EACH, Deliverer
from services.payments.webhooks_out.delivery import Delivery, Reply, TryResult
from services.payments.webhooks_out.ports import EventSender, Outbox
from services.payments.webhooks_out.sender import open_sender
from services.payments.webhooks_out.store.endpoints import PostgresEndpoints
from services.payments.webhooks_out.store.outbox import PostgresOutbox
from services.payments.webhooks_out.usecases import Endpoints
from services.shared.clock import SystemClock
from tests.makers import make_new_payment
from tests.poison import run
from tests.polling import until
from tests.receiver import answering, receiving


def _deliverer(
    engine: AsyncEngine,
    sender: EventSender,
    *,
    outbox: Outbox | None = None,
    lease_seconds: float = 30,
    send_seconds: float = 15,
) -> Deliverer:
    return Deliverer(
        outbox=outbox or PostgresOutbox(engine),
        sender=sender,
        spread=lambda: 0.0,
        lease_seconds=lease_seconds,
        send_seconds=send_seconds,
        poll_seconds=0.1,
    )


@asynccontextmanager
async def _running(deliverer: Deliverer) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    task = asyncio.create_task(deliverer.run(stopping))
    yield
    stopping.set()
    deliverer.wake()
    await task


@asynccontextmanager
async def _delivering(engine: AsyncEngine, **changes: Any) -> AsyncIterator[None]:
    async with (
        open_sender(SystemClock(), Targets(loopback=True)) as sender,
        _running(_deliverer(engine, sender, **changes)),
    ):
        yield


async def _endpoint(engine: AsyncEngine, url: str) -> Endpoint:
    return await Endpoints(PostgresEndpoints(engine), Targets(loopback=True)).create("sandbox", url)


async def _create(engine: AsyncEngine, count: int = 1) -> None:
    new = [make_new_payment() for _ in range(count)]
    await PostgresPayments(engine, encode_event).create(new)


async def _states(engine: AsyncEngine, endpoint: Endpoint) -> list[tuple[str, int, str | None]]:
    query = "SELECT state, failures, last_error FROM outbox WHERE endpoint_id = :id"
    async with engine.connect() as connection:
        rows = await connection.execute(text(query), {"id": endpoint.id})
        return [(row.state, row.failures, row.last_error) for row in rows]


async def _until_all(engine: AsyncEngine, endpoint: Endpoint, state: str) -> list[Any]:
    return await until(
        lambda: _states(engine, endpoint), lambda rows: {row[0] for row in rows} == {state}
    )


async def test_events_arrive_once_each_and_verify_with_the_endpoints_secret(
    engine: AsyncEngine,
) -> None:
    async with receiving() as receiver:
        endpoint = await _endpoint(engine, receiver.url)
        await _create(engine, 40)
        async with _delivering(engine):
            await _until_all(engine, endpoint, "DELIVERED")

    events = [received.verified(endpoint.secret) for received in receiver.received]
    assert {event["type"] for event in events} == {"payment.pending"}
    assert len({event["id"] for event in events}) == len(events) == 40


async def test_an_event_that_was_refused_is_sent_again_with_the_same_id_and_bytes(
    engine: AsyncEngine,
) -> None:
    async def refuse_twice(request: web.Request) -> web.StreamResponse:
        return web.Response(status=204 if len(receiver.received) > 2 else 503)

    async with receiving() as receiver:
        receiver.answer = refuse_twice
        endpoint = await _endpoint(engine, receiver.url)
        await _create(engine)
        async with _delivering(engine):
            (state,) = await _until_all(engine, endpoint, "DELIVERED")

    assert state == ("DELIVERED", 2, None)
    assert len(receiver.received) == 3
    assert len({(received.event_id, received.body) for received in receiver.received}) == 1


async def test_an_event_that_was_sent_and_not_marked_is_sent_again_with_the_same_id(
    engine: AsyncEngine,
) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    async with (
        receiving() as receiver,
        open_sender(SystemClock(), Targets(loopback=True)) as sender,
    ):
        receiver.answer = never
        endpoint = await _endpoint(engine, receiver.url)
        await _create(engine)
        dying = _deliverer(engine, sender, lease_seconds=0.5, send_seconds=0)
        task = asyncio.create_task(dying.run(asyncio.Event()))
        await receiver.came.wait()
        task.cancel()
        # Sent and unanswered is not delivered.
        assert await _states(engine, endpoint) == [("PENDING", 0, None)]
        receiver.answer = answering(200)
        async with _delivering(engine):
            await _until_all(engine, endpoint, "DELIVERED")

    assert len(receiver.received) == 2
    assert len({(received.event_id, received.body) for received in receiver.received}) == 1


async def test_an_endpoint_that_hangs_or_refuses_keeps_nobody_waiting(
    engine: AsyncEngine,
) -> None:
    hold = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await hold.wait()
        return web.Response()

    async with receiving() as slow, receiving() as broken, receiving() as good:
        slow.answer, broken.answer = hang, answering(500)
        hanging = await _endpoint(engine, slow.url)
        await _endpoint(engine, broken.url)
        endpoint = await _endpoint(engine, good.url)
        await _create(engine, 3 * UNDER_WAY_EACH)
        async with _delivering(engine):
            await _until_all(engine, endpoint, "DELIVERED")
            assert len(slow.received) == UNDER_WAY_EACH
            assert {state for state, _, _ in await _states(engine, hanging)} == {"PENDING"}
            hold.set()
            await _until_all(engine, hanging, "DELIVERED")


async def test_an_event_that_is_never_taken_is_set_aside_with_its_reason(
    engine: AsyncEngine,
) -> None:
    async with receiving() as receiver:
        receiver.answer = answering(500)
        endpoint = await _endpoint(engine, receiver.url)
        await _create(engine)
        async with _delivering(engine):
            (state,) = await _until_all(engine, endpoint, "SET_ASIDE")

    assert state == ("SET_ASIDE", 12, "the endpoint answered 500")
    assert len(receiver.received) == 12


async def test_410_disables_the_endpoint_and_nothing_more_is_sent(engine: AsyncEngine) -> None:
    async with receiving() as receiver:
        receiver.answer = answering(410)
        endpoint = await _endpoint(engine, receiver.url)
        await _create(engine)
        async with _delivering(engine):
            (gone,) = await _until_all(engine, endpoint, "SET_ASIDE")

    assert gone == ("SET_ASIDE", 1, "the endpoint answered 410")
    (listed,) = await PostgresEndpoints(engine).list("sandbox")
    assert listed.disabled_at is not None


async def test_an_event_for_a_deleted_endpoint_is_set_aside_unsent(
    engine: AsyncEngine,
) -> None:
    async with receiving() as receiver:
        endpoint = await _endpoint(engine, receiver.url)
        await _create(engine, 2)
        await PostgresEndpoints(engine).delete("sandbox", endpoint.id)
        async with _delivering(engine):
            states = await _until_all(engine, endpoint, "SET_ASIDE")

    assert set(states) == {("SET_ASIDE", 0, "the endpoint is disabled")}
    assert receiver.received == []


@pytest.mark.parametrize(
    "damage",
    ["UPDATE webhook_endpoints SET secret = 'whsec_'", "UPDATE outbox SET body = '\\xff'::bytea"],
)
async def test_an_event_that_cannot_even_be_signed_counts_its_tries(
    engine: AsyncEngine, damage: str
) -> None:
    async with receiving() as receiver:
        endpoint = await _endpoint(engine, receiver.url)
        await _create(engine)
        await run(engine, damage)
        async with _delivering(engine):
            (state,) = await _until_all(engine, endpoint, "SET_ASIDE")

    assert state[1] == 12
    assert receiver.received == []


class _Scripted:
    """The port EventSender: takes everything, after a hook."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.entered, self.leave = asyncio.Event(), asyncio.Event()

    async def send(self, delivery: Delivery) -> Reply:
        self.sent.append(delivery.event_id)
        self.entered.set()
        await self.leave.wait()
        return Reply(status=200)


async def test_a_result_that_comes_after_the_lease_has_moved_on_changes_nothing(
    engine: AsyncEngine,
) -> None:
    endpoint = await _endpoint(engine, "http://127.0.0.1:9/hook")
    await _create(engine)
    stuck = _Scripted()
    async with _running(_deliverer(engine, stuck, lease_seconds=0.2, send_seconds=0)):
        await stuck.entered.wait()
        async with engine.begin() as connection:
            taken = "UPDATE outbox SET lease_token = lease_token + 1, lease_until = now() + '1 h'"
            await connection.execute(text(taken))
        stuck.leave.set()

    assert await _states(engine, endpoint) == [("PENDING", 0, None)]


async def test_a_worker_that_was_stopped_past_its_lease_sends_nothing(engine: AsyncEngine) -> None:
    endpoint = await _endpoint(engine, "http://127.0.0.1:9/hook")
    await _create(engine)
    late = _Scripted()
    late.leave.set()
    # A lease that is over before a send could end is what a long stop looks like.
    async with _running(_deliverer(engine, late, lease_seconds=1, send_seconds=2)):
        held = "SELECT lease_token FROM outbox"

        async def tokens() -> int:
            async with engine.connect() as connection:
                return int((await connection.execute(text(held))).scalar_one())

        await until(tokens, lambda token: token > 0)

    assert late.sent == []
    assert await _states(engine, endpoint) == [("PENDING", 0, None)]


async def test_a_result_that_cannot_be_written_stops_no_other(engine: AsyncEngine) -> None:
    class Choosy(PostgresOutbox):
        refused = ""

        async def claim(self, *args: Any, **limits: Any) -> Sequence[Delivery]:
            claimed = await super().claim(*args, **limits)
            self.refused = self.refused or claimed[0].event_id
            return claimed

        async def settle(self, settled: Sequence[tuple[Delivery, TryResult]]) -> Sequence[bool]:
            if self.refused in {delivery.event_id for delivery, _ in settled}:
                raise ValueError(self.refused)
            return await super().settle(settled)

    endpoint = await _endpoint(engine, "http://127.0.0.1:9/hook")
    await _create(engine, 7)
    sender = _Scripted()
    sender.leave.set()
    async with _running(_deliverer(engine, sender, outbox=Choosy(engine))):
        states = await until(
            lambda: _states(engine, endpoint),
            lambda rows: sum(row[0] == "DELIVERED" for row in rows) == 6,
        )

    assert sum(state == ("PENDING", 0, None) for state in states) == 1


async def test_a_stop_waits_for_answers_that_are_on_their_way(engine: AsyncEngine) -> None:
    endpoint = await _endpoint(engine, "http://127.0.0.1:9/hook")
    await _create(engine)
    slow, stopping = _Scripted(), asyncio.Event()
    deliverer = _deliverer(engine, slow)
    task = asyncio.create_task(deliverer.run(stopping))
    await slow.entered.wait()
    stopping.set()
    deliverer.wake()
    slow.leave.set()
    await task

    assert await _states(engine, endpoint) == [("DELIVERED", 0, None)]
