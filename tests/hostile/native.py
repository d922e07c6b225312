"""Hostile native calls, made by chance from a seed: messages that are none, unknown enum numbers
and fields, odd metadata, unknown methods; and HTTP/2 frames out of turn on both listeners."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from hpack import Encoder

from tests.hostile.oracle import Tally, check_grpc
from tests.hostile.target import Target

CALL_SECONDS = 20.0
FRAME_SECONDS = 0.3
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
FRAME_PATHS = (
    "/caravel.payments.v1.PaymentService/GetPayment",
    "/grpc.health.v1.Health/Watch",
    "/api/payments",
    "/",
)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TEXTS = (
    "",
    "x",
    "\u0000",
    "\u202e",
    "INR",
    "100.00",
    "-1",
    "9" * 5000,
    "é",
    "pay_" + "0" * 26,
    "😀",
)
METADATA = (
    ("idempotency-key", "x" * 300),
    ("idempotency-key", ""),
    ("authorization", "Bearer x"),
    ("x-api-key", "cvl_test_x"),
    ("x-odd-bin", b"\x00\xff"),
    ("grpc-tags-bin", b"\x01"),
    ("traceparent", "00-zz"),
    ("x-large", "v" * 9_000),
    ("x-request-id", "a b"),
    ("x-http-status", "200"),
)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One RPC that the gateway serves natively."""

    path: str
    request: Any


def methods_of(descriptor_set: bytes) -> list[Method]:
    """Every RPC of the merchants' services, and some that are none."""
    files = FileDescriptorSet.FromString(descriptor_set)
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    found = []
    for file in files.file:
        if file.package != "caravel.payments.v1":
            continue
        for service in file.service:
            described = pool.FindServiceByName(f"{file.package}.{service.name}")
            for method in described.methods:
                path = f"/{described.full_name}/{method.name}"
                found.append(Method(path=path, request=GetMessageClass(method.input_type)))
    nothing = found[0].request
    odd = (
        "/",
        "//",
        "/caravel.payments.v1.PaymentService/Nothing",
        "/no.Service/No",
        "/a/b/c",
        "/%00/x",
    )
    return [*found, *(Method(path=path, request=nothing) for path in odd)]


class NativeAttack:
    """Makes and sends native calls from one source of chance."""

    def __init__(self, rng: random.Random, methods: Sequence[Method], target: Target) -> None:
        self._rng = rng
        self._methods = methods
        self._target = target

    async def run(self, count: int, tally: Tally) -> None:
        """Sends so many calls, one after the other, over a channel of its own."""
        async with grpc.aio.insecure_channel(self._target.grpc_target) as channel:
            for _ in range(count):
                await self._call(channel, tally)

    async def _call(self, channel: grpc.aio.Channel, tally: Tally) -> None:
        method = self._rng.choice(self._methods)
        message = self._message(method)
        metadata = self._rng.sample(METADATA, k=self._rng.choice((0, 0, 1, 2)))
        sent = f"{method.path} {metadata!r} {message!r}"
        call = channel.unary_unary(method.path)
        try:
            await call(message, timeout=CALL_SECONDS, metadata=tuple(metadata))
        except grpc.aio.AioRpcError as error:
            trailers = dict(error.trailing_metadata() or ())
            wrongs = check_grpc(
                error.code(), error.details(), trailers.get("grpc-status-details-bin")
            )
            tally.note("native calls", error.code().name, sent, wrongs)
        else:
            tally.note("native calls", "OK", sent, [])

    def _message(self, method: Method) -> bytes:
        message = method.request()
        for field in message.DESCRIPTOR.fields:
            if self._rng.random() < 0.6:
                self._fill(message, field)
        raw = bytearray(message.SerializeToString())
        makers: tuple[Callable[[], bytes], ...] = (
            lambda: bytes(raw),
            lambda: bytes(raw),
            lambda: bytes(raw[: self._rng.randrange(len(raw) + 1)]),
            lambda: bytes(raw) + self._rng.randbytes(self._rng.randrange(1, 40)),
            lambda: self._rng.randbytes(self._rng.choice((0, 1, 8, 64, 1000))),
            lambda: bytes(raw) + b"\xfa\x7f\x03abc",
            lambda: bytes(raw) + b"x" * 300_000 if self._rng.random() < 0.1 else bytes(raw),
        )
        return self._rng.choice(makers)()

    def _fill(self, message: Any, field: FieldDescriptor) -> None:
        try:
            if field.is_repeated or field.message_type is not None:
                if not field.is_repeated:
                    getattr(message, field.name).SetInParent()
                return
            if field.enum_type is not None:
                setattr(message, field.name, self._rng.choice((0, 1, 99, -1, 2**31 - 1)))
            elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
                text = self._rng.choice(TEXTS)
                is_text = field.type == FieldDescriptor.TYPE_STRING
                setattr(message, field.name, text if is_text else text.encode())
            elif field.type == FieldDescriptor.TYPE_BOOL:
                setattr(message, field.name, True)
            else:
                setattr(message, field.name, self._rng.choice((-1, 0, 1, 2**31 - 1)))
        except (ValueError, TypeError):
            # A closed enum's class refuses the number; the bytes below say it anyway.
            return


class FrameAttack:
    """Sends HTTP/2 frames that a client library would never send."""

    def __init__(self, rng: random.Random, target: Target) -> None:
        self._rng = rng
        self._target = target

    async def run(self, count: int, tally: Tally) -> None:
        """So many connections, one after the other, on both listeners in turn."""
        for index in range(count):
            port = self._target.grpc_port if index % 2 else self._target.rest_port
            frames = b"".join(self._frames())
            outcome = await self._send(port, frames)
            tally.note("frames", outcome, f"port {port}: {frames[:80].hex()}", [])

    async def _send(self, port: int, frames: bytes) -> str:
        """How the listener took it. The ordinary clients see that it goes on to serve."""
        reader, writer = await asyncio.open_connection(self._target.host, port)
        try:
            writer.write(PREFACE + _frame(SETTINGS, 0, 0, b"") + frames)
            async with asyncio.timeout(FRAME_SECONDS):
                while await reader.read(65_536):
                    pass
        except TimeoutError:
            return "kept open"
        except ConnectionError:
            return "reset"
        finally:
            writer.close()
        return "closed"

    def _frames(self) -> Iterator[bytes]:
        makers = (self._headers, self._data, self._numbers, self._noise)
        for _ in range(self._rng.choice((1, 2, 5, 20))):
            yield self._rng.choice(makers)()

    def _headers(self) -> bytes:
        odd: tuple[list[tuple[str, str]], ...] = (
            [],
            [("TE", "trailers")],
            [(":late", "x")],
            [("content-length", "5")],
            [("x" * 9_000, "y")],
            [("x*y", "1")],
            [("x-odd", "\x7f\x80")],
        )
        block = Encoder().encode(
            [
                (":method", self._rng.choice(("POST", "GET", "X"))),
                (":path", self._rng.choice(FRAME_PATHS)),
                (":scheme", "http"),
                (":authority", "x"),
                ("content-type", self._rng.choice(("application/grpc", "application/json", ""))),
                *self._rng.choice(odd),
            ]
        )
        flags = self._rng.choice((0, END_HEADERS, END_HEADERS | END_STREAM))
        return _frame(HEADERS, flags, self._rng.choice((0, 1, 1, 1, 2, 3, 5, 2**31 - 1)), block)

    def _data(self) -> bytes:
        messages = (b"", bytes(5), b"\x01\0\0\0\x01x", b"\xff" * 64, b"\0\xff\xff\xff\xff")
        flags = self._rng.choice((0, END_STREAM))
        return _frame(DATA, flags, self._rng.choice((0, 1, 3, 9)), self._rng.choice(messages))

    def _numbers(self) -> bytes:
        """RST_STREAM, SETTINGS, PING, GOAWAY or WINDOW_UPDATE, whose lengths may be wrong."""
        payload = self._rng.randbytes(self._rng.choice((0, 3, 4, 6, 8, 12)))
        kind = self._rng.choice((3, 4, 6, 7, 8))
        return _frame(kind, self._rng.choice((0, 1)), self._rng.choice((0, 1, 3)), payload)

    def _noise(self) -> bytes:
        payload = self._rng.randbytes(self._rng.choice((0, 5, 64, 20_000)))
        return _frame(
            self._rng.randrange(256), self._rng.randrange(256), self._rng.randrange(9), payload
        )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame, RFC 9113 section 4.1."""
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload
