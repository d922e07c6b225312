"""The load generator takes an answer only when all of it is there, counts the answers, and sends
exactly as often as it should."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.mesh.ports import HOST
from tests.benchmarks import load, requests
from tests.benchmarks.load import Target, read_answer

CREATED = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"
REFUSED = b'HTTP/1.1 503 Unavailable\r\ncontent-length: 23\r\n\r\n{"reason":"OVERLOADED"}'


@pytest.fixture
async def server() -> AsyncIterator[tuple[Target, list[bytes]]]:
    """Answers every fourth request 503 and all others 201, in two pieces."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                asked.append(head + await reader.readexactly(length))
                answer = REFUSED if len(asked) % 4 == 0 else CREATED
                writer.write(answer[:30])
                await writer.drain()
                writer.write(answer[30:])
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listening = await asyncio.start_server(serve, HOST, 0)
    yield Target(HOST, listening.sockets[0].getsockname()[1]), asked
    listening.close()


@pytest.mark.parametrize("cut", range(1, len(CREATED)))
def test_an_answer_counts_when_all_of_it_is_there(cut: int) -> None:
    assert read_answer(CREATED[:cut]) is None


def test_both_kinds_of_body_are_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    assert read_answer(CREATED) == (201, b"{}")
    assert read_answer(chunked[:-5]) is None
    assert (read_answer(chunked) or (0,))[0] == 200


async def test_every_order_is_another_one(server: tuple[Target, list[bytes]]) -> None:
    target, asked = server
    outcome = await load.exactly(target, requests.creating(target, "tag"), connections=3, count=40)
    assert len(asked) == len(set(asked)) == 40
    assert len({key for one in asked for key in [one.split(b"idempotency-key: ")[1][:8]]}) > 1
    assert outcome.statuses == {201: 30, 503: 10}
    assert outcome.reasons == {"OVERLOADED": 10}
    assert len(outcome.acknowledged) == len(set(outcome.acknowledged)) == 30


async def test_a_fixed_rate_sends_what_is_due(server: tuple[Target, list[bytes]]) -> None:
    target, asked = server
    outcome = await load.fixed_rate(
        target, requests.creating(target, "tag"), rate=200.0, seconds=0.5, connections=8
    )
    assert len(asked) + outcome.unsent == pytest.approx(100, abs=2)
    assert outcome.broken == 0
