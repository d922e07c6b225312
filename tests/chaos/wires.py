"""Where in a stream of bytes from a server an answer is: HTTP/1, HTTP/2 and PostgreSQL, each read
no further than the question needs."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Found:
    """What a chunk holds the beginning of."""

    is_reply: bool = False
    is_commit: bool = False


class Wire(Protocol):
    """Reads what one server says on one connection."""

    def feed(self, chunk: bytes) -> Found:
        """Takes the next bytes; tells what begins in them."""


class Http1:
    """Between requests a server is silent, so whatever it says is an answer."""

    def feed(self, chunk: bytes) -> Found:
        """Takes the next bytes; tells what begins in them."""
        return Found(is_reply=bool(chunk))


class Http2:
    """Among settings, pings and windows, an answer begins and ends with a frame of headers."""

    _HEADER_BYTES = 9
    _HEADERS = 1

    def __init__(self) -> None:
        self._header = b""
        self._payload_left = 0

    def feed(self, chunk: bytes) -> Found:
        """Takes the next bytes; tells what begins in them."""
        found, at = False, 0
        while at < len(chunk):
            if self._payload_left:
                skipped = min(self._payload_left, len(chunk) - at)
                self._payload_left -= skipped
                at += skipped
                continue
            missing = self._HEADER_BYTES - len(self._header)
            self._header += chunk[at : at + missing]
            at += missing
            if len(self._header) == self._HEADER_BYTES:
                found = found or self._header[3] == self._HEADERS
                self._payload_left = int.from_bytes(self._header[:3], "big")
                self._header = b""
        return Found(is_reply=found)


class Postgres:
    """Messages of a type, a length and a body; the end of each command carries its name."""

    _HEADER_BYTES = 5
    _COMPLETE = b"C"
    _COMMIT = b"COMMIT\0"
    # Before all messages: one byte, whether the server would speak TLS.
    _TLS_ANSWERS = (b"N", b"S")

    def __init__(self) -> None:
        self._rest = b""
        self._body_left = 0
        self._begun = False

    def feed(self, chunk: bytes) -> Found:
        """Takes the next bytes; tells what begins in them."""
        data = self._rest + chunk
        if not self._begun and data:
            self._begun = True
            data = data[1:] if data[:1] in self._TLS_ANSWERS else data
        reply = commit = False
        while data:
            if self._body_left:
                skipped = min(self._body_left, len(data))
                self._body_left -= skipped
                data = data[skipped:]
                continue
            if len(data) < self._HEADER_BYTES:
                break
            size = int.from_bytes(data[1 : self._HEADER_BYTES], "big") - 4
            if data[:1] == self._COMPLETE:
                body = data[self._HEADER_BYTES : self._HEADER_BYTES + size]
                if len(body) < size:
                    break
                reply, commit = True, commit or body == self._COMMIT
            self._body_left = size
            data = data[self._HEADER_BYTES :]
        self._rest = data
        return Found(is_reply=reply, is_commit=commit)
