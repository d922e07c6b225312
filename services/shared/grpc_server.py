"""The floor every service stands on: one grpc.aio server with context, log, metrics and error
mapping around each handler, health, both reflection versions, and a graceful stop. Business lines
need none of it."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeVar

import grpc
import uvloop
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_status import rpc_status

from services.shared import grpc_status, log
from services.shared.env import Settings
from services.shared.errors import CannotStart, DomainError, Invalid, unexpected
from services.shared.garbage import collect_seldom
from services.shared.ids import new_id
from services.shared.telemetry import (
    REFUSALS,
    publish_metrics,
    read_traceparent,
    request_id_var,
    rpc_seconds,
    trace_id_var,
)

# HTTP statuses that the transcoder's own table does not have; the gateway puts them in place.
HTTP_STATUS_OF_REASON = {"IDEMPOTENCY_KEY_REUSED": "422"}
HTTP_STATUS_HEADER = "x-http-status"
CALLS_PENDING_MAX = 16_384
OPTIONS: Sequence[tuple[str, Any]] = (
    # A busy port must be an error, not a second server that takes half of the calls.
    ("grpc.so_reuseport", 0),
    # Clients meet new replicas when their connections age; both numbers cost nothing.
    ("grpc.max_connection_age_ms", 60_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # Beyond a thousand calls that Python has not yet taken, gRPC would cancel some by lot, without
    # a reason. The gateway sends fewer than this at a time, and whoever has too much to do says so.
    ("grpc.server.max_pending_requests", CALLS_PENDING_MAX),
    ("grpc.server.max_pending_requests_hard_limit", CALLS_PENDING_MAX),
)
STOP_GRACE_SECONDS = 10.0

Handler = Callable[[Any, Any], Any]
# Raises a DomainError where a call may not be made, by its method and metadata.
Admit = Callable[[str, Mapping[str, Any]], None]
SettingsT = TypeVar("SettingsT", bound=Settings)


def _everyone(_: str, __: Mapping[str, Any]) -> None:
    """Admits every call."""


class RequestUnreadable(Invalid):
    """The request is not of the contract's form: a text in it is not UTF-8, or it is cut off."""


class _Registration:
    """Stands for the server in generated register functions, and wraps what they add.

    gRPC's interceptors would be two more coroutines for each call. Its registered methods, of which
    it has one accepted call each under way, would all be looked at for each call of any of them.
    """

    def __init__(self, server: grpc.aio.Server, wrap: Callable[[Any, str], Any]) -> None:
        self._server = server
        self._wrap = wrap

    def add_generic_rpc_handlers(self, _: object) -> None:
        """Nothing, because the same handlers come as registered ones."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Adds them, wrapped, as generic ones."""
        wrapped = {
            name: self._wrap(handler, f"/{service}/{name}") for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, wrapped),)
        )


def _in_context(admit: Admit) -> Callable[[Any, str], Any]:
    """Puts each call into its trace and request, times it, and answers every error as one Status.

    A DomainError becomes its own gRPC code; anything else is logged whole and answered as INTERNAL
    without a word of its text.
    """

    def wrap(handler: Any, method: str) -> Any:
        # Without a deserializer the handler gets the bytes: gRPC would answer a request that cannot
        # be read with the exception's own words.
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                _unary(handler, method, admit), None, handler.response_serializer
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                _stream(handler, method, admit), None, handler.response_serializer
            )
        raise NotImplementedError(f"{method} streams its requests")

    return wrap


def _unary(handler: Any, method: str, admit: Admit) -> Handler:
    read, answer = handler.request_deserializer, handler.unary_unary

    async def wrapped(request: bytes, context: Any) -> Any:
        call = _Call(method, context)
        try:
            admit(method, call.metadata)
            response = await answer(_read(read, request), context)
        except BaseException as error:
            await call.fail(error)
            raise
        call.note("OK")
        return response

    return wrapped


def _stream(handler: Any, method: str, admit: Admit) -> Handler:
    read, answer = handler.request_deserializer, handler.unary_stream

    async def wrapped(request: bytes, context: Any) -> AsyncIterator[Any]:
        call = _Call(method, context)
        try:
            admit(method, call.metadata)
            async for response in answer(_read(read, request), context):
                yield response
        except BaseException as error:
            await call.fail(error)
            raise
        call.note("OK")

    return wrapped


def _read(deserialize: Callable[[bytes], Any], request: bytes) -> Any:
    try:
        return deserialize(request)
    except DecodeError:
        raise RequestUnreadable from None


class _Call:
    """One call from its first byte to its answer."""

    def __init__(self, method: str, context: Any) -> None:
        self.metadata: Mapping[str, Any] = dict(context.invocation_metadata() or ())
        trace_id_var.set(read_traceparent(self.metadata.get("traceparent")))
        request_id_var.set(self.metadata.get("x-request-id") or str(new_id()))
        self._method = method
        self._context = context
        self._started = time.monotonic()

    async def fail(self, error: BaseException) -> None:
        """Answers the error, where it is one that can be answered; then gRPC's AbortError comes."""
        code, reason = "OK", ""
        try:
            if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
                code = "CANCELLED"
            elif isinstance(error, grpc.aio.AbortError):
                code = "ABORTED"
            elif isinstance(error, DomainError):
                code, reason = grpc_status.code_of(error).name, error.error_reason
                await _refuse(self._context, error)
            elif isinstance(error, Exception):
                # Nothing of an unexpected error may reach a client.
                code, reason = "INTERNAL", "INTERNAL_ERROR"
                log.get_logger().exception("call_failed", method=self._method, exc_info=error)
                await _refuse(self._context, unexpected())
        finally:
            self.note(code, reason)

    def note(self, code: str, reason: str = "") -> None:
        """Counts, times and logs the call, once it is over."""
        seconds = time.monotonic() - self._started
        rpc_seconds(self._method, code).observe(seconds)
        if reason:
            REFUSALS.labels(reason).inc()
        log.get_logger().info(
            "call",
            method=self._method,
            code=code,
            reason=reason,
            milliseconds=round(seconds * 1000, 2),
        )


async def _refuse(context: Any, error: DomainError) -> None:
    status: status_pb2.Status = grpc_status.to_status(error, request_id_var.get())
    if http_status := HTTP_STATUS_OF_REASON.get(error.error_reason):
        # A status can be rewritten only as long as nothing of the answer has been sent.
        with suppress(grpc.aio.UsageError):
            await context.send_initial_metadata(((HTTP_STATUS_HEADER, http_status),))
    answer = rpc_status.to_status(status)
    trailers = [*answer.trailing_metadata]
    if error.retry_after_seconds is not None:
        # Not as initial metadata: an answer that has any is final for gRPC, which then never
        # retries it. Where it has none, the gateway makes HTTP headers of the trailers.
        trailers.append(("retry-after", str(error.retry_after_seconds)))
    await context.abort(answer.code, answer.details, tuple(trailers))


class GrpcServer:
    """A server with health and reflection; add services, start, and it serves until stopped."""

    def __init__(self, admit: Admit = _everyone) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        self._admit = admit
        self._health = health.aio.HealthServicer()
        self._names: list[str] = []
        self.port = 0

    def add(self, register: Callable[[Any, Any], None], servicer: object, full_name: str) -> None:
        """Adds one service: its generated register function, its servicer, its full name."""
        register(servicer, _Registration(self._server, _in_context(self._admit)))
        self._names.append(full_name)

    async def start(self, host: str, port: int) -> None:
        """Binds and serves, still NOT_SERVING for health. Raises OSError on a busy port."""
        # Registered with gRPC itself, where one call of each method is always awaited: behind a
        # crowd of other calls a server that only has much to do would be taken for dead.
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._add_reflection([*self._names, health.SERVICE_NAME])
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            self.port = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on {host}:{port}: the port is in use") from error
        await self._server.start()

    async def set_serving(self) -> None:
        """Tells health checks that calls are welcome."""
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Turns new calls away, lets running ones finish, then stops."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)

    def _add_reflection(self, names: Sequence[str]) -> None:
        servicer = reflection.aio.ReflectionServicer([*names, reflection.SERVICE_NAME])
        handler = grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        # grpcio ships v1alpha only; the messages of v1 are the same, so one servicer serves both.
        for service in (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection"):
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": handler}),)
            )


Assembled = AbstractAsyncContextManager[GrpcServer]


def run_service(
    name: str, settings: type[SettingsT], assemble: Callable[[SettingsT], Assembled]
) -> None:
    """The whole life of a service process: read settings, assemble, serve until SIGTERM, stop.

    Exits with 1 and one sentence on standard error where the process cannot or must not start.
    """
    try:
        config = settings.load(os.environ)
        log.configure(name, config.log_level)
        uvloop.run(_serve(name, config, assemble(config)))
    except (CannotStart, OSError) as error:
        sys.exit(f"{name} cannot start: {error}")


async def _serve(name: str, config: Settings, assembled: Assembled) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with assembled as server:
        publish_metrics(config.host, config.metrics_port)
        await server.start(config.host, config.port)
        collect_seldom()
        await server.set_serving()
        log.get_logger().info("serving", name=name, port=server.port)
        await stop.wait()
        await server.stop()
        log.get_logger().info("stopped", name=name)
