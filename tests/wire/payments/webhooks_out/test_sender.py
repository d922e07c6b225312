"""Sending over real sockets: what is signed, what is never followed, where nothing is sent."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from services.payments.webhooks_out.addresses import Targets
from services.payments.webhooks_out.delivery import Reply
from services.payments.webhooks_out.sender import HttpSender, open_sender
from services.shared.clock import SystemClock
from tests.makers import make_delivery
from tests.receiver import Answer, Receiver, answering, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    async with open_sender(SystemClock(), Targets(loopback=True)) as opened:
        yield opened


async def test_the_bytes_arrive_as_they_are_and_signed_by_the_standard(
    sender: HttpSender, receiver: Receiver
) -> None:
    delivery = make_delivery(url=receiver.url, body='{"reference":"für Ama"}'.encode())

    assert await sender.send(delivery) == Reply(status=204)

    (received,) = receiver.received
    assert received.body == delivery.body
    assert received.verified(delivery.secret) == {"reference": "für Ama"}
    assert received.event_id == delivery.event_id
    assert received.headers["content-type"] == "application/json"


async def test_a_repeat_has_the_same_id_and_the_time_of_its_own_try(receiver: Receiver) -> None:
    class Ticking:
        def __init__(self) -> None:
            self.seconds = 1_800_000_000

        def now(self) -> datetime:
            self.seconds += 60
            return datetime.fromtimestamp(self.seconds, UTC)

    delivery = make_delivery(url=receiver.url)
    async with open_sender(Ticking(), Targets(loopback=True)) as sender:
        await sender.send(delivery)
        await sender.send(delivery)

    first, second = receiver.received
    assert (first.event_id, first.body) == (second.event_id, second.body)
    assert int(second.headers["webhook-timestamp"]) == 1_800_000_120
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


@pytest.mark.parametrize("status", [200, 404, 410, 500, 503])
async def test_the_status_is_the_answer(
    sender: HttpSender, receiver: Receiver, status: int
) -> None:
    receiver.answer = answering(status)

    assert await sender.send(make_delivery(url=receiver.url)) == Reply(status=status)


async def test_a_redirect_is_not_followed(sender: HttpSender, receiver: Receiver) -> None:
    async with receiving() as other:

        async def redirect(request: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"location": other.url})

        receiver.answer = redirect

        assert await sender.send(make_delivery(url=receiver.url)) == Reply(status=307)
        assert other.received == []


def noting(connections: set[object], status: int, body: bytes = b"") -> Answer:
    """Answers so, and notes the connection of each request."""

    async def answer(request: web.Request) -> web.StreamResponse:
        connections.add(request.transport)
        return web.Response(status=status, body=body)

    return answer


async def test_events_that_follow_each_other_closely_share_a_connection(
    sender: HttpSender, receiver: Receiver
) -> None:
    connections: set[object] = set()
    receiver.answer = noting(connections, 204)

    for _ in range(3):
        await sender.send(make_delivery(url=receiver.url))

    assert len(connections) == 1


async def test_a_connection_whose_answer_was_not_read_is_not_used_again(
    sender: HttpSender, receiver: Receiver
) -> None:
    connections: set[object] = set()
    receiver.answer = noting(connections, 200, b"x" * 1_000_000)

    for _ in range(2):
        assert await sender.send(make_delivery(url=receiver.url)) == Reply(status=200)

    assert len(connections) == 2


async def test_an_answer_without_end_does_not_hold_us(
    sender: HttpSender, receiver: Receiver
) -> None:
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        finally:
            left.set()

    receiver.answer = endless

    assert await sender.send(make_delivery(url=receiver.url)) == Reply(status=200)
    await asyncio.wait_for(left.wait(), 10)


async def test_a_connection_that_is_cut_or_refused_is_no_answer(
    sender: HttpSender, receiver: Receiver
) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    receiver.answer = cut

    reply = await sender.send(make_delivery(url=receiver.url))
    assert reply.status is None
    assert reply.error

    refused = await sender.send(make_delivery(url="http://127.0.0.1:1/hook"))
    assert refused == Reply(error="ClientConnectorError")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_outside_a_sandbox_nothing_reaches_this_machine(
    receiver: Receiver, host: str
) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    async with open_sender(SystemClock(), Targets(loopback=False)) as sender:
        reply = await sender.send(make_delivery(url=url))

    assert reply == Reply(error="the endpoint's host is no public address")
    assert receiver.received == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_in_a_sandbox_nothing_reaches_a_port_of_the_mesh_itself(
    receiver: Receiver, host: str
) -> None:
    port = int(receiver.url.split(":")[2].split("/")[0])
    url = receiver.url.replace("127.0.0.1", host)
    own = Targets(loopback=True, own_ports=frozenset({port}))
    async with open_sender(SystemClock(), own) as sender:
        reply = await sender.send(make_delivery(url=url))

    assert reply == Reply(error="the endpoint's host is no public address")
    assert receiver.received == []
