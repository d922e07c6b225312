"""Where in a connection's two streams of bytes an answer is, and where a COMMIT: HTTP/1, HTTP/2 and
PostgreSQL, each read no further than the question needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Found:
    """The messages that begin in a chunk."""

    is_reply: bool = False
    is_commit: bool = False


NOTHING = Found()


class Wire(Protocol):
    """Reads what is said on one connection."""

    def feed(self, chunk: bytes) -> Found:
        """Takes the next bytes of the server; returns the messages that begin in them."""

    def asked(self, chunk: bytes) -> Found:
        """Takes the next bytes of the client; returns the requests in them."""


class _Unasked:
    """The questions need not be read."""

    def asked(self, _: bytes) -> Found:
        """Finds nothing."""
        return NOTHING


class Http1(_Unasked):
    """Between requests a server is silent, so whatever it says is an answer."""

    def feed(self, chunk: bytes) -> Found:
        """Takes the next bytes; returns the messages that begin in them."""
        return Found(is_reply=bool(chunk))


class Http2(_Unasked):
    """Among settings, pings and windows, an answer begins and ends with a frame of headers."""

    _HEADER_BYTES = 9
    _HEADERS = 1

    def __init__(self) -> None:
        self._header = b""
        self._payload_left = 0

    def feed(self, chunk: bytes) -> Found:
        """Takes the next bytes; returns the messages that begin in them."""
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

    # Before all messages: one byte, whether the server would speak TLS.
    _TLS_ANSWERS = (b"N", b"S")
    _COMPLETE, _QUERY = b"C", b"Q"
    # A length, and a version or a request.
    _GREETING_BYTES = 8
    _PROTOCOL = 3

    def __init__(self) -> None:
        self._answers = _Messages(self._COMPLETE)
        self._questions = _Messages(self._QUERY)
        self._begun = False
        # The client's bytes before its first message.
        self._greeting = b""
        self._has_started = False

    def feed(self, chunk: bytes) -> Found:
        """Takes the next bytes of the server; returns the messages that begin in them."""
        if not self._begun and chunk:
            self._begun = True
            chunk = chunk[1:] if chunk[:1] in self._TLS_ANSWERS else chunk
        completed = self._answers.feed(chunk)
        return Found(is_reply=bool(completed), is_commit=b"COMMIT\0" in completed)

    def asked(self, chunk: bytes) -> Found:
        """Takes the next bytes of the client; returns the requests in them."""
        queries = self._questions.feed(self._past_greeting(chunk))
        return Found(is_commit=any(one.rstrip(b";\0") == b"COMMIT" for one in queries))

    def _past_greeting(self, chunk: bytes) -> bytes:
        """The packets without a type: perhaps a request for TLS, then the start."""
        if self._has_started:
            return chunk
        data = self._greeting + chunk
        while len(data) >= self._GREETING_BYTES:
            size = int.from_bytes(data[:4], "big")
            if len(data) < size:
                break
            # Of the two, only the start names a version of the protocol.
            is_start = int.from_bytes(data[4:6], "big") == self._PROTOCOL
            data = data[size:]
            if is_start:
                self._has_started = True
                return data
        self._greeting = data
        return b""


class _Messages:
    """Cuts a stream into messages, and keeps the bodies of one type."""

    _HEADER_BYTES = 5
    # Nothing that is looked for is longer.
    _KEPT_BYTES = 64

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self._rest = b""
        self._body_left = 0

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """Takes the next bytes; gives the bodies that are whole now."""
        data, found = self._rest + chunk, []
        while data:
            if self._body_left:
                skipped = min(self._body_left, len(data))
                self._body_left -= skipped
                data = data[skipped:]
                continue
            if len(data) < self._HEADER_BYTES:
                break
            size = int.from_bytes(data[1 : self._HEADER_BYTES], "big") - 4
            if data[:1] == self._wanted and size <= self._KEPT_BYTES:
                body = data[self._HEADER_BYTES : self._HEADER_BYTES + size]
                if len(body) < size:
                    break
                found.append(body)
            self._body_left = size
            data = data[self._HEADER_BYTES :]
        self._rest = data
        return found
