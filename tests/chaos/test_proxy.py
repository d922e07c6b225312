"""The proxy does to connections what its toxic says, and nothing without one."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import pytest

from deploy.local.mesh import ports
from deploy.local.mesh.ports import HOST
from tests.chaos.proxy import Identities, Link, Toxic, reset
from tests.chaos.wires import Http1, Http2, Postgres, Wire
from tests.identities import channel_as, files_of, identity_of
from tests.wire.shared.scripted import Scripted, serve, unary

QUESTION = b"question"
LOST = (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
INSERTED = b"C\x00\x00\x00\x0fINSERT 0 1\x00"


@dataclass
class Answerer:
    """A server that takes questions of one length and gives one answer to each."""

    answer: bytes = b"the answer"
    received: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.received.append(await reader.readexactly(len(QUESTION)))
                writer.write(self.answer)
        except LOST:
            writer.close()


@dataclass
class Client:
    """One connection through the link."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, answer: bytes) -> bytes:
        self.writer.write(QUESTION)
        return await self.reader.readexactly(len(answer))


@dataclass
class Setup:
    """A link with a server behind it."""

    link: Link
    server: Answerer

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection(HOST, self.link.port)
        yield Client(reader, writer)
        writer.close()

    async def ask(self) -> bytes:
        async with self.connected() as client:
            return await client.ask(self.server.answer)


@asynccontextmanager
async def between(
    answer: bytes = b"the answer", wire: Callable[[], Wire] = Http1
) -> AsyncIterator[Setup]:
    answerer = Answerer(answer)
    async with opened(wire) as link:
        server = await asyncio.start_server(answerer.serve, HOST, link.target_port)
        yield Setup(link, answerer)
        server.close()


@asynccontextmanager
async def opened(
    wire: Callable[[], Wire] = Http1, identities: Identities | None = None
) -> AsyncIterator[Link]:
    """A link to a port where nobody is yet."""
    with ports.claimed(["link", "server"]) as claimed:
        link = Link(
            "a>b",
            port=claimed["link"],
            target_port=claimed["server"],
            wire=wire,
            rng=random.Random(1),
            identities=identities,
        )
        await link.open()
        try:
            yield link
        finally:
            await link.close()


async def test_without_a_toxic_everything_passes() -> None:
    async with between() as setup, setup.connected() as client:
        for _ in range(3):
            assert await client.ask(setup.server.answer) == b"the answer"


async def test_a_connection_that_tls_has_closed_can_be_reset() -> None:
    """Its transport has no protocol any more, and fails on every question."""
    identities = Identities(files_of("worker"), files_of("providers"))
    with ports.claimed(["server"]) as claimed:
        server = await asyncio.start_server(
            Answerer().serve, HOST, claimed["server"], ssl=identities.as_called()
        )
        _, writer = await asyncio.open_connection(
            HOST,
            claimed["server"],
            ssl=identities.as_caller(),
            server_hostname=identities.called_name(),
        )
        for _ in range(2):
            writer.close()
        with pytest.raises(AttributeError):
            writer.get_extra_info("socket")

        reset(writer)

        server.close()


async def test_lost_reply_comes_after_its_effect() -> None:
    async with between() as setup:
        setup.link.set(Toxic(lose_reply=1.0))

        with pytest.raises(LOST):
            await setup.ask()

        assert setup.server.received == [QUESTION]
        assert setup.link.struck == {"reply_lost": 1}


async def test_a_link_reads_what_two_services_say_by_mutual_tls() -> None:
    """It stands for each of the two towards the other, and so sees where an answer is."""
    servicer = Scripted()
    server = serve(servicer, identity_of("providers"))
    async with opened(Http2, Identities(files_of("worker"), files_of("providers"))) as link:
        await server.start(HOST, link.target_port)
        async with channel_as("worker", "providers", f"{HOST}:{link.port}") as channel:
            assert await unary(channel) == ["acme"]
            link.set(Toxic(lose_reply=1.0))
            with pytest.raises(grpc.aio.AioRpcError) as lost:
                await unary(channel)
        await server.stop(0)

    assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
    assert servicer.calls == 2
    assert link.struck["reply_lost"] >= 1


async def test_reply_is_lost_as_often_as_it_is_likely() -> None:
    async with between() as setup:
        setup.link.set(Toxic(lose_reply=0.5))
        lost = 0
        for _ in range(40):
            try:
                await setup.ask()
            except LOST:
                lost += 1

        assert 8 <= lost <= 32


async def test_only_the_answer_to_commit_is_lost() -> None:
    async with between(INSERTED, Postgres) as setup:
        setup.link.set(Toxic(lose_commit_reply=1.0))
        assert await setup.ask() == INSERTED

        setup.server.answer = COMMITTED
        with pytest.raises(LOST):
            await setup.ask()
        assert setup.link.struck == {"commit_reply_lost": 1}


async def test_link_that_is_down_resets_what_is_open_and_what_comes() -> None:
    async with between() as setup, setup.connected() as client:
        await client.ask(setup.server.answer)
        setup.link.set(Toxic(down=True))

        with pytest.raises(LOST):
            await client.ask(setup.server.answer)
        with pytest.raises(LOST):
            await setup.ask()

        setup.link.heal()
        assert await setup.ask() == b"the answer"


async def test_silence_delivers_late_what_it_held_back() -> None:
    async with between() as setup, setup.connected() as client:
        await client.ask(setup.server.answer)
        setup.link.set(Toxic(silent=True))
        asking = asyncio.create_task(client.ask(setup.server.answer))
        _, waiting = await asyncio.wait({asking}, timeout=0.2)
        assert waiting and len(setup.server.received) == 1

        setup.link.heal()

        assert await asking == b"the answer"


async def test_reset_after_bytes_cuts_in_the_middle() -> None:
    async with between() as setup, setup.connected() as client:
        setup.link.set(Toxic(reset_after_bytes=len(QUESTION) + 4))

        with pytest.raises(LOST) as cut:
            await client.ask(setup.server.answer)

        assert getattr(cut.value, "partial", b"the ") == b"the "


async def test_latency_delays_both_ways() -> None:
    async with between() as setup:
        setup.link.set(Toxic(latency_seconds=0.1))
        began = time.monotonic()

        await setup.ask()

        assert time.monotonic() - began >= 0.2


async def test_slices_arrive_whole() -> None:
    async with between(b"x" * 500) as setup:
        setup.link.set(Toxic(slice_bytes=7, slice_seconds=0.0001))

        assert await setup.ask() == b"x" * 500


async def test_server_that_is_away_is_a_reset() -> None:
    async with opened() as link:
        with pytest.raises(LOST):
            await Setup(link, Answerer()).ask()
