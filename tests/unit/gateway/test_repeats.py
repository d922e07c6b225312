"""A connection to payments that breaks after a call has arrived: the gateway makes the call again
where the contract allows it to be made twice, and never otherwise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
import pytest

from gateway.config import DESCRIPTOR
from gateway.contract import Listener, is_repeatable, read_contract, verb_and_path
from tests.polling import until
from tests.unit.gateway.conftest import Backend, Gateway, healthz, run_envoy, start_backend

BINDINGS = {
    listener: list(read_contract(DESCRIPTOR).served_by(listener).bindings())
    for listener in Listener
}
NAMED = {"CreateKey", "RollKey", "CreateMerchantKey", "CreateOperatorKey", "CreateEndpoint"}


@dataclass
class Cut(Backend):
    """Payments, whose connections break when a call has arrived."""

    connections: set[asyncio.WriteTransport] = field(default_factory=set)

    def note(self, request: Any, context: Any) -> None:
        """Keeps what arrived, and breaks all connections."""
        super().note(request, context)
        for connection in tuple(self.connections):
            connection.abort()

    async def connect(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Passes a connection on, byte for byte, until either end has enough."""
        upstream, back = await asyncio.open_connection("127.0.0.1", port)
        ends = {writer.transport, back.transport}
        self.connections |= ends
        await asyncio.gather(_pass(reader, back), _pass(upstream, writer))
        self.connections -= ends


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def between(backend: Cut, port: int) -> AsyncIterator[int]:
    """The port at which the backend is reached by connections that it can break."""
    server = await asyncio.start_server(
        lambda reader, writer: backend.connect(port, reader, writer), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]
        for connection in tuple(backend.connections):
            connection.abort()


@pytest.fixture(scope="module")
async def cut(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    backend = Cut()
    server = await start_backend(backend)
    folder = tmp_path_factory.mktemp("gateway")
    async with (
        between(backend, server.port) as port,
        run_envoy(folder, port, backend) as gateway,
    ):
        await until(lambda: healthz(gateway), lambda status: status == 200)
        yield gateway
    await server.stop(0)


def test_calls_that_may_not_be_made_twice_are_known() -> None:
    others = {
        m.name for listener in Listener for _, m, _ in BINDINGS[listener] if not is_repeatable(m)
    }

    assert others >= NAMED


@pytest.mark.parametrize("listener", Listener)
async def test_a_native_call_is_made_again_only_where_it_may_be(
    cut: Gateway, listener: Listener
) -> None:
    target = cut.grpc if listener is Listener.PUBLIC else cut.operators_grpc
    wrong = []
    async with grpc.aio.insecure_channel(target) as channel:
        for service, method, _ in BINDINGS[listener]:
            cut.backend.requests.clear()
            call: Any = channel.unary_unary(f"/{service}/{method.name}")
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", timeout=20)
            if refused.value.code() is not grpc.StatusCode.UNAVAILABLE:
                wrong.append((method.name, refused.value))
            if (len(cut.backend.requests) > 1) != is_repeatable(method):
                wrong.append((method.name, len(cut.backend.requests)))

    assert not wrong


@pytest.mark.parametrize("name", ["CreateKey", "RollKey", "RevokeKey", "GetKey", "CreatePayment"])
async def test_a_call_by_rest_is_made_again_only_where_it_may_be(cut: Gateway, name: str) -> None:
    [(method, rule)] = [(m, r) for _, m, r in BINDINGS[Listener.PUBLIC] if m.name == name]
    verb, path = verb_and_path(rule)
    cut.backend.requests.clear()
    body = {"json": {}} if verb == "POST" else {}
    headers = {"idempotency-key": "one"}

    async with (
        aiohttp.ClientSession(cut.rest) as http,
        http.request(verb, path.replace("{key_id}", "key_1"), headers=headers, **body) as answer,
    ):
        assert answer.status == 503

    assert (len(cut.backend.requests) > 1) == is_repeatable(method)
