"""A merchant who listens: a server that takes every event and counts it, as light as the load
generator, and its registration with the mesh."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from deploy.local.mesh.ports import HOST
from deploy.local.process.terminal import Problem
from tests.benchmarks import load
from tests.benchmarks.load import Target

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


class Merchant:
    """The events received so far."""

    def __init__(self) -> None:
        self.events = 0
        self.port = 0
        self._known_to: set[str] = set()

    async def register(self, rest: Target, database: str) -> None:
        """Has the mesh on this database send it all events from now on. Raises Problem."""
        if database in self._known_to:
            return
        body = json.dumps({"url": f"http://{HOST}:{self.port}/events"}).encode()
        head = (
            f"POST /api/webhook-endpoints HTTP/1.1\r\nhost: {rest.host}:{rest.port}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        status, answer = await load.ask(rest, head.encode() + body)
        if status != 201:
            raise Problem(f"the merchant's endpoint was refused with {status}: {answer.decode()}")
        self._known_to.add(database)


class _Connection(asyncio.Protocol):
    def __init__(self, merchant: Merchant) -> None:
        self._merchant = merchant
        self._read = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._read[: end + 2])
            end += 4 + (int(length[1]) if length else 0)
            if len(self._read) < end:
                return
            self._read = self._read[end:]
            self._merchant.events += 1
            self._transport.write(TAKEN)


@asynccontextmanager
async def listening() -> AsyncIterator[Merchant]:
    """A merchant, for the length of a block."""
    merchant = Merchant()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(merchant), HOST, 0)
    merchant.port = server.sockets[0].getsockname()[1]
    try:
        yield merchant
    finally:
        server.close()
        # uvloop waits for connections that the deliverer keeps; nobody needs them any more.
        await asyncio.sleep(0)
