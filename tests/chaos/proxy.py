"""A TCP proxy between two processes of the mesh, which can do to their connections what networks
do: delay, silence, cuts, and above all the loss of an answer whose effect has happened. Where in a
stream an answer is, wires knows."""

import asyncio
import random
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from deploy.local.mesh.ports import HOST
from services.shared.certificates import IdentityFiles, host_name, read_certificate
from tests.chaos.wires import Found, Wire

CHUNK_BYTES = 64 * 1024
# Of the COMMITs that are cut: the share that reaches the database. Of those at which a session is
# ended: the share that is still answered.
SHARE_GOT = 0.5
# Closed like this, the other end receives a reset and not an end.
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True)
class Toxic:
    """The faults of every connection of a link for as long as they are set."""

    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    # Open connections are reset, and new ones at once.
    down: bool = False
    # Nothing passes and nothing ends; what waited passes when the toxic is gone.
    silent: bool = False
    # A connection is reset when it has carried so many bytes, in the middle of what they say.
    reset_after_bytes: int | None = None
    # Pieces of this size, each a moment after the one before it.
    slice_bytes: int | None = None
    slice_seconds: float = 0.01
    # How likely an answer is lost after the request has had its effect; then both ends are reset.
    lose_reply: float = 0.0
    # The same for a database's answer to COMMIT alone.
    lose_commit_reply: float = 0.0
    # How likely both ends are reset at the very COMMIT, which the database may have got or not.
    cut_commit: float = 0.0
    # How likely the database ends the session while it commits: its word for that is the answer, or
    # comes after it, where the client waits until the session is ready again.
    end_commit: float = 0.0


HARMLESS = Toxic()
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
# As PostgreSQL says it to a session that an administrator ends.
_FIELDS = (
    b"SFATAL\x00VFATAL\x00C57P01\x00Mterminating connection due to administrator command\x00\x00"
)
ENDED = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


@dataclass(frozen=True)
class Identities:
    """The two ends of a link that carries mutual TLS: it stands for each towards the other."""

    caller: IdentityFiles
    called: IdentityFiles

    def as_called(self) -> ssl.SSLContext:
        """Its side towards the caller."""
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=self.called.mesh_authority_file
        )
        context.verify_mode = ssl.CERT_REQUIRED
        return _with(context, self.called)

    def as_caller(self) -> ssl.SSLContext:
        """Its side towards the one that is called."""
        return _with(
            ssl.create_default_context(cafile=self.caller.mesh_authority_file), self.caller
        )

    def called_name(self) -> str:
        """The name that the certificate of the one that is called must have."""
        return host_name(read_certificate(self.called).service)


def _with(context: ssl.SSLContext, files: IdentityFiles) -> ssl.SSLContext:
    context.load_cert_chain(files.mesh_certificate_file, files.mesh_key_file)
    context.set_alpn_protocols(["h2"])
    return context


class Link:
    """One listening port, and the one place behind it."""

    def __init__(
        self,
        name: str,
        *,
        port: int,
        target_port: int,
        wire: Callable[[], Wire],
        rng: random.Random,
        identities: Identities | None = None,
    ) -> None:
        self.name = name
        self.port = port
        # How often each fault struck a connection.
        self.struck: Counter[str] = Counter()
        self.target_port = target_port
        self._wire = wire
        self._identities = identities
        self._rng = rng
        self._toxic = HARMLESS
        self._passing = asyncio.Event()
        self._passing.set()
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def toxic(self) -> Toxic:
        """The faults of connections now."""
        return self._toxic

    async def open(self) -> None:
        """Listens."""
        shown = self._identities.as_called() if self._identities else None
        self._server = await asyncio.start_server(self._serve, HOST, self.port, ssl=shown)

    async def close(self) -> None:
        """Stops listening and resets what is open."""
        if self._server:
            self._server.close()
        self.cut()
        self._passing.set()

    def set(self, toxic: Toxic) -> None:
        """Sets the faults of connections from now on."""
        self._toxic = toxic
        for connection in self._open:
            connection.carried = 0
        if toxic.silent:
            self._passing.clear()
        else:
            self._passing.set()
        if toxic.down:
            self.cut()

    def heal(self) -> None:
        """Lets everything pass."""
        self.set(HARMLESS)

    def cut(self) -> None:
        """Resets every open connection."""
        for connection in tuple(self._open):
            self.strike(connection, "cut")

    def strike(self, connection: "_Connection", what: str) -> None:
        """Resets one connection, and counts why."""
        self.struck[what] += 1
        connection.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        if self._toxic.down:
            self.struck["refused"] += 1
            reset(writer)
            return
        try:
            there = await self._connect()
        except OSError:
            reset(writer)
            return
        connection = _Connection(client=writer, server=there[1])
        self._open.add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                wire = self._wire()
                group.create_task(self._ask(connection, reader, wire))
                group.create_task(self._answer(connection, there[0], wire))
        except* OSError:
            connection.reset()
        finally:
            self._open.discard(connection)
            await connection.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._identities:
            return await asyncio.open_connection(HOST, self.target_port)
        return await asyncio.open_connection(
            HOST,
            self.target_port,
            ssl=self._identities.as_caller(),
            server_hostname=self._identities.called_name(),
        )

    async def _ask(
        self, connection: "_Connection", client: asyncio.StreamReader, wire: Wire
    ) -> None:
        """Carries what a client asks, and may cut the connection where that is a COMMIT."""
        while chunk := await client.read(CHUNK_BYTES):
            await self._delay()
            if wire.asked(chunk).is_commit and self._rng.random() < self._toxic.cut_commit:
                if self._rng.random() < SHARE_GOT:
                    await self._write(connection.server, chunk)
                self.strike(connection, "cut_at_commit")
                return
            if not await self._carry(connection, connection.server, chunk):
                return
        connection.end(connection.server)

    async def _answer(
        self, connection: "_Connection", server: asyncio.StreamReader, wire: Wire
    ) -> None:
        """Carries what a server answers, and may lose an answer or put another in its place."""
        while chunk := await server.read(CHUNK_BYTES):
            await self._delay()
            found = wire.feed(chunk)
            if loss := self._lost(found):
                self.strike(connection, loss)
                return
            if found.is_commit and self._rng.random() < self._toxic.end_commit:
                said = (COMMITTED if self._rng.random() < SHARE_GOT else b"") + ENDED
                await self._write(connection.client, said)
                self.struck["ended_at_commit"] += 1
                break
            if not await self._carry(connection, connection.client, chunk):
                return
        connection.end(connection.client)

    async def _carry(
        self, connection: "_Connection", sink: asyncio.StreamWriter, chunk: bytes
    ) -> bool:
        """Carries bytes one way; False where that was too much for the connection."""
        allowed = self._allowed(connection, len(chunk))
        await self._write(sink, chunk[:allowed])
        if allowed < len(chunk):
            self.strike(connection, "reset_after_bytes")
        return allowed == len(chunk)

    async def _delay(self) -> None:
        await self._passing.wait()
        seconds = self._toxic.latency_seconds + self._rng.random() * self._toxic.jitter_seconds
        if seconds:
            await asyncio.sleep(seconds)

    def _lost(self, found: Found) -> str | None:
        """Why an answer is lost; None where it is not."""
        if found.is_commit and self._rng.random() < self._toxic.lose_commit_reply:
            return "commit_reply_lost"
        if found.is_reply and self._rng.random() < self._toxic.lose_reply:
            return "reply_lost"
        return None

    def _allowed(self, connection: "_Connection", size: int) -> int:
        limit = self._toxic.reset_after_bytes
        before, connection.carried = connection.carried, connection.carried + size
        return size if limit is None else max(0, min(size, limit - before))

    async def _write(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        size = self._toxic.slice_bytes or max(1, len(data))
        for at in range(0, len(data), size):
            sink.write(data[at : at + size])
            await sink.drain()
            if self._toxic.slice_bytes:
                await asyncio.sleep(self._toxic.slice_seconds)


@dataclass(eq=False)
class _Connection:
    """The two halves of one connection, and the bytes it has carried since the toxic was set."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    carried: int = 0
    is_reset: bool = False

    def reset(self) -> None:
        self.is_reset = True
        for writer in (self.client, self.server):
            reset(writer)

    def end(self, sink: asyncio.StreamWriter) -> None:
        """Signals to one side that no more comes."""
        if self.is_reset:
            return
        if sink.can_write_eof():
            sink.write_eof()
        else:
            # TLS has no half of a connection that ends.
            sink.close()

    async def close(self) -> None:
        for writer in (self.client, self.server):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection so that the other end receives a reset."""
    # TLS that has closed it has no socket, or has no protocol either and fails on the question.
    with suppress(AttributeError):
        if (opened := writer.get_extra_info("socket")) is not None:
            with suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
