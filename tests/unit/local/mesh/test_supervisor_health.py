"""Health is asked of real servers on free ports."""

import asyncio

import pytest

from deploy.local.mesh import ports, supervisor
from services.shared.grpc_server import GrpcServer
from tests.identities import certificates, identity_of


async def test_grpc_server_is_healthy_once_it_serves() -> None:
    server = GrpcServer(identity=identity_of("fees"))
    await server.start(ports.HOST, 0)
    try:
        assert not await supervisor.grpc_serving(server.port, "fees", certificates())
        await server.set_serving()
        assert await supervisor.grpc_serving(server.port, "fees", certificates())
    finally:
        await server.stop(0)


async def test_port_without_a_server_is_not_healthy() -> None:
    with ports.claimed(["nobody"]) as claimed:
        assert not await supervisor.grpc_serving(claimed["nobody"], "fees", certificates())
        assert not await supervisor.http_ok(claimed["nobody"])


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"", False),
    ],
)
async def test_page_is_healthy_when_it_answers_200(answer: bytes, healthy: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, ports.HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]

        assert await supervisor.http_ok(port) is healthy
