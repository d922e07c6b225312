"""A wire to PostgreSQL on which a session ends at its COMMIT, in each of the ways that it can."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import make_url

COMMIT = b"COMMIT;"
# Ready for the next question of a transaction.
IN_TRANSACTION = b"Z\0\0\0\x05T"
_RESET = struct.pack("ii", 1, 0)


def _error(severity: str, code: str) -> bytes:
    fields = b"".join(
        name + value.encode() + b"\0"
        for name, value in ((b"S", severity), (b"V", severity), (b"C", code), (b"M", "ended"))
    )
    return b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0"


@dataclass(frozen=True, kw_only=True)
class End:
    """How a session ends: whether the server has received the COMMIT, and what comes back."""

    is_received: bool
    # Of the server's answer, or in its place.
    answer: Callable[[bytes], bytes] = field(default=lambda _: b"")
    resets: bool = False


ENDS = {
    "before_it_left": End(is_received=False, resets=True),
    "closed_before_it_left": End(is_received=False),
    "shut_down_before": End(is_received=False, answer=lambda _: _error("FATAL", "57P01")),
    "crashed_before": End(is_received=False, answer=lambda _: _error("FATAL", "57P02")),
    "answer_lost": End(is_received=True, resets=True),
    "answer_lost_and_closed": End(is_received=True),
    "shut_down_after": End(is_received=True, answer=lambda _: _error("FATAL", "57P01")),
    "half_an_answer": End(is_received=True, answer=lambda answer: answer[:3]),
    "not_ready_again": End(is_received=True, answer=lambda answer: answer[:-6]),
    "rubbish": End(is_received=True, answer=lambda _: b"\x07" * 40),
    "an_unknown_message": End(is_received=True, answer=lambda _: b"!\0\0\0\x04"),
    "an_answer_to_another_question": End(
        is_received=True, answer=lambda a: b"1\0\0\0\x04" + a[:-6]
    ),
}


class Wire:
    """Passes everything, until a test sets how the next COMMIT ends."""

    def __init__(self, url: str) -> None:
        self._there = make_url(url)
        self.url = ""
        self.end: End | None = None
        # The server ends the session after so many answers in a transaction, and nobody has asked:
        # the words are there, and the connection's own end is not yet.
        self.ends_unasked_after = 0
        # How many sessions have ended at their COMMIT.
        self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one session to its end."""
        there = await asyncio.open_connection(self._there.host, self._there.port)
        ending: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        pumps = (
            asyncio.create_task(self._requests(reader, there[1], writer, ending)),
            asyncio.create_task(self._answers(there[0], writer, ending)),
        )
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.close()
            there[1].close()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        ending: "asyncio.Future[End]",
    ) -> None:
        while chunk := await reader.read(65536):
            end = self.end if COMMIT in chunk else None
            if end is not None:
                self.end, self.ended = None, self.ended + 1
                if not end.is_received:
                    await _finish(end, b"", client)
                    return
                ending.set_result(end)
            server.write(chunk)

    async def _answers(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        ending: "asyncio.Future[End]",
    ) -> None:
        while chunk := await reader.read(65536):
            if ending.done():
                await _finish(ending.result(), chunk, client)
                return
            client.write(chunk)
            if self.ends_unasked_after and chunk.endswith(IN_TRANSACTION):
                self.ends_unasked_after -= 1
                if not self.ends_unasked_after:
                    self.ended += 1
                    client.write(_error("FATAL", "57P01"))


async def _finish(end: End, answer: bytes, client: asyncio.StreamWriter) -> None:
    client.write(end.answer(answer))
    await client.drain()
    if end.resets:
        opened = client.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        client.transport.abort()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """A wire to the database at the address, with an address of its own."""
    made = Wire(url)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    here = make_url(url).set(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    made.url = here.render_as_string(hide_password=False)
    try:
        yield made
    finally:
        server.close()
