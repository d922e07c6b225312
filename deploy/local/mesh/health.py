"""How one asks a process whether it can be relied on: gRPC's health service, or an HTTP page. Each
answer is a plain yes or no, within a second."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.authority import OPERATOR
from deploy.local.mesh.ports import HOST
from services.shared.certificates import files_in, host_name, read_certificate
from services.shared.identity import channel_credentials

ANSWER_SECONDS = 1.0
NO_PROXY = (("grpc.enable_http_proxy", 0),)


async def grpc_serving(port: int, service: str, certificates: Path) -> bool:
    """Whether the service on this port says that it is SERVING, to the operator's certificate in
    the folder of all. Raises IdentityUnusable."""
    # A channel waits long after a refused connection; a socket fails at once.
    if not await accepts(port):
        return False
    shown = channel_credentials(read_certificate(files_in(certificates / OPERATOR)))
    options = (*NO_PROXY, ("grpc.ssl_target_name_override", host_name(service)))
    async with grpc.aio.secure_channel(f"{HOST}:{port}", shown, options=options) as channel:
        try:
            # The stub's type has no methods; they are added when it is made.
            stub: Any = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest()
            answer = await stub.Check(request, timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def http_ok(port: int) -> bool:
    """Whether GET /healthz answers 200."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                request = (
                    f"GET /healthz HTTP/1.1\r\nhost: {HOST}:{port}\r\nconnection: close\r\n\r\n"
                )
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except OSError:
        return False
    return status.split()[1:2] == [b"200"]


async def accepts(port: int) -> bool:
    """Whether anybody listens there."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
