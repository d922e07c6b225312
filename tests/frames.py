"""HTTP/2 by hand, for callers that no client library makes: streams that are begun and never ended,
calls without a message, bodies that stop in the middle."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0x0, 0x1, 0x4, 0x6
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
HEADER_BYTES = 9
# Fewer than any server of ours lets one connection have under way.
STREAMS_A_CONNECTION = 100
MESSAGE = bytes(5)


def grpc_headers(path: str, **more: str) -> Mapping[str, str]:
    """The headers of a native call."""
    return {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "test",
        ":path": path,
        "content-type": "application/grpc",
        "te": "trailers",
        **more,
    }


def post_headers(path: str, **more: str) -> Mapping[str, str]:
    """The headers of a REST request with a body."""
    return {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "test",
        ":path": path,
        "content-type": "application/json",
        **more,
    }


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(value: str) -> bytes:
    """A string literal of HPACK, not compressed."""
    raw = value.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    length, rest = len(raw) - 127, bytearray([127])
    while length >= 128:
        rest.append(length % 128 + 128)
        length //= 128
    return bytes([*rest, length]) + raw


class Connection:
    """One connection, whose answers are read and thrown away but for the order of its pings."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._next = 1
        self._pinged = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        writer.write(PREFACE + _frame(SETTINGS, 0, 0))

    def begin(self, headers: Mapping[str, str], data: bytes = b"", *, end: bool) -> None:
        """One more stream: its headers, and data where there are any."""
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
        ends_now = END_STREAM if end and not data else 0
        self._writer.write(_frame(HEADERS, END_HEADERS | ends_now, self._next, block))
        if data:
            self._writer.write(_frame(DATA, END_STREAM if end else 0, self._next, data))
        self._next += 2

    async def taken(self) -> None:
        """Returns when the other side has read all that was sent until now."""
        self._pinged.clear()
        self._writer.write(_frame(PING, 0, 0, bytes(8)))
        async with asyncio.timeout(20):
            await self._pinged.wait()

    async def close(self) -> None:
        """Breaks off."""
        self._reading.cancel()
        self._writer.close()
        with suppress(asyncio.CancelledError, OSError):
            await self._reading
            await self._writer.wait_closed()

    async def _read(self) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                header = await self._reader.readexactly(HEADER_BYTES)
                await self._reader.readexactly(int.from_bytes(header[:3]))
                kind, flags = header[3], header[4]
                if kind == SETTINGS and not flags & ACK:
                    self._writer.write(_frame(SETTINGS, ACK, 0))
                elif kind == PING and flags & ACK:
                    self._pinged.set()
                elif kind == PING:
                    self._writer.write(_frame(PING, ACK, 0, bytes(8)))


@asynccontextmanager
async def held(
    port: int, count: int, headers: Mapping[str, str], data: bytes = b"", *, end: bool
) -> AsyncIterator[Sequence[Connection]]:
    """So many streams of one kind, begun and left open, on as few connections as are allowed."""
    connections: list[Connection] = []
    try:
        for at in range(count):
            if at % STREAMS_A_CONNECTION == 0:
                opened = await asyncio.open_connection("127.0.0.1", port)
                connections.append(Connection(*opened))
            connections[-1].begin(headers, data, end=end)
        await asyncio.gather(*(connection.taken() for connection in connections))
        yield connections
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
