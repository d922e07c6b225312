"""The mesh under attack, and how a case is sent to it: raw bytes over a connection of its own, so
that no client library repairs or refuses them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tests.hostile.oracle import Answer

ANSWER_SECONDS = 30.0
READ_BYTES = 65_536
# An interim answer, before the one that counts.
CONTINUE = 100


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the mesh listens."""

    host: str
    rest_port: int
    grpc_port: int

    @property
    def rest_url(self) -> str:
        """The REST API."""
        return f"http://{self.host}:{self.rest_port}"

    @property
    def grpc_target(self) -> str:
        """The native listener."""
        return f"{self.host}:{self.grpc_port}"

    async def send_raw(self, request: bytes) -> Answer:
        """The first answer to these bytes. Raises TimeoutError where none comes in time."""
        reader, writer = await asyncio.open_connection(self.host, self.rest_port)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(request)
                return await _read(reader, has_body=not request.startswith(b"HEAD"))
        except ConnectionError:
            return Answer(status=0)
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, *, has_body: bool) -> Answer:
    """The answer; of status 0 where the connection ends before there is one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return Answer(status=0)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = int(first.split(" ")[1])
    if status == CONTINUE:
        return await _read(reader, has_body=has_body)
    if not has_body or status in (204, 304) or status < 200:
        return Answer(status=status, headers=headers)
    return Answer(status=status, headers=headers, body=await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "") == "chunked":
        return await _chunks(reader)
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    return await reader.read(READ_BYTES)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while (size := int((await reader.readline()).split(b";")[0] or b"0", 16)) > 0:
        body += await reader.readexactly(size)
        await reader.readline()
    return body
