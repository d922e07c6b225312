"""The floor every service stands on: one grpc.aio server with health, both reflection versions,
bounds on what callers may send and hold, and a graceful stop. Business lines need none of it."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeVar

import grpc
import uvloop
from grpc_health.v1 import health_pb2_grpc

from services.shared import log, tracing
from services.shared.certificates import IdentityFiles
from services.shared.contract import Access, access_by_method
from services.shared.env import Settings
from services.shared.errors import CannotStart
from services.shared.garbage import collect_seldom
from services.shared.grpc_calls import (
    Caller,
    ServiceNotAllowed,
    Wrap,
    everyone,
    unknown_methods,
    wrapper,
)
from services.shared.grpc_health import NAME as HEALTH
from services.shared.grpc_health import HealthServicer
from services.shared.grpc_reflection import METHOD as REFLECT
from services.shared.grpc_reflection import NAMES as REFLECTIONS
from services.shared.grpc_reflection import Reflection
from services.shared.held import HeldStreams
from services.shared.identity import Identity
from services.shared.limits import KIB, MESSAGE_MAX_BYTES, METADATA_MAX_BYTES
from services.shared.readiness import Readiness, Report
from services.shared.secret_files import forbid_core_dumps
from services.shared.telemetry import publish_build, publish_metrics

CALLS_PENDING_MAX = 16_384
OPTIONS: Sequence[tuple[str, Any]] = (
    # A busy port must be an error, not a second server that takes half of the calls.
    ("grpc.so_reuseport", 0),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Beyond a thousand calls that Python has not yet taken, gRPC would cancel some by lot, without
    # a reason. The gateway sends fewer than this at a time, and whoever has too much to do says so.
    ("grpc.server.max_pending_requests", CALLS_PENDING_MAX),
    ("grpc.server.max_pending_requests_hard_limit", CALLS_PENDING_MAX),
    # Between two bounds gRPC would refuse metadata by lot; the gateway's own bound is lower.
    ("grpc.max_metadata_size", METADATA_MAX_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_MAX_BYTES),
    # A call may send no more before somebody reads it: its credentials are looked at first.
    ("grpc.http2.lookahead_bytes", 64 * KIB),
    ("grpc.http2.bdp_probe", 0),
)
# Clients meet new replicas, and both sides show new certificates, when their connections age. It
# costs nothing.
CONNECTION_AGE_SECONDS = 60.0
STOP_GRACE_SECONDS = 10.0

SettingsT = TypeVar("SettingsT", bound=Settings)
# Raises a DomainError where a call may not be made, by its access in the contract and its caller.
Admit = Callable[[Access, Caller], Awaitable[None]]


def _open_to_all(_: Access) -> None:
    """Nothing is refused."""


class _Registration:
    """Stands for the server in generated register functions, and wraps what they add.

    gRPC's interceptors would be two more coroutines for each call. Its registered methods, of which
    it has one accepted call each under way, would all be looked at for each call of any of them;
    only health has them, which so overtakes all other calls.
    """

    def __init__(self, server: grpc.aio.Server, wrap: Wrap, *, overtakes: bool = False) -> None:
        self._server = server
        self._wrap = wrap
        self._overtakes = overtakes

    def add_generic_rpc_handlers(self, _: object) -> None:
        """Nothing, because the same handlers come as registered ones."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Adds them, wrapped: as generic ones, unless they overtake."""
        wrapped = {
            name: self._wrap(handler, f"/{service}/{name}") for name, handler in handlers.items()
        }
        if self._overtakes:
            self._server.add_registered_method_handlers(service, wrapped)
        else:
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, wrapped),)
            )


class GrpcServer:
    """A server with health and reflection; add services, start, and it serves until stopped.

    It shows the certificate of `identity`, and takes connections of the mesh's own certificates
    alone; a test may leave it out. A call is for the services that its access in the contract
    names, and then admitted by `admit`; health and reflection are for every certificate, because
    they show only what the contract does. A call without an access option in the contract cannot
    be served. A message may have max_bytes. Health says SERVING only while `readiness`, where it
    is given, says so.
    """

    def __init__(
        self,
        admit: Admit = everyone,
        *,
        identity: Identity | None = None,
        max_bytes: int = MESSAGE_MAX_BYTES,
        connection_age_seconds: float = CONNECTION_AGE_SECONDS,
        readiness: Callable[[Report], Readiness] | None = None,
        wrap: Callable[..., Wrap] = wrapper,
    ) -> None:
        options = [
            *OPTIONS,
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.max_connection_age_ms", int(connection_age_seconds * 1000)),
        ]
        self._server = grpc.aio.server(options=options)
        self._wrap = wrap
        self._admit = admit
        self._identity = identity
        self._held = HeldStreams()
        self._health = HealthServicer(self._held)
        self._readiness = readiness(self._report) if readiness else None
        self._asking: asyncio.Task[None] | None = None
        self._names: list[str] = []
        self.port = 0
        # Raises a DomainError for a call that is admitted and cannot be done now.
        self.gate: Callable[[Access], None] = _open_to_all
        # Called for SIGHUP; where there is none, the signal ends the process as usual.
        self.on_hangup: Callable[[], None] | None = None

    def add(self, register: Callable[[Any, Any], None], servicer: object, full_name: str) -> None:
        """Adds one service: its generated register function, its servicer, its full name.

        Raises ValueError where the contract says of a call not who may make it.
        """
        access = access_by_method(full_name)

        async def admit(method: str, caller: Caller) -> None:
            if self._identity and caller.service not in access[method].services:
                raise ServiceNotAllowed(service=caller.service)
            await self._admit(access[method], caller)
            self.gate(access[method])

        register(servicer, _Registration(self._server, self._wrap(admit)))
        self._names.append(full_name)
        self._health.add([full_name])

    async def start(self, host: str, port: int) -> None:
        """Binds and serves, still NOT_SERVING for health. Raises OSError on a busy port."""
        # Where one call of each method is always awaited: behind many other calls a server that
        # only has much to do would be taken for dead. In the log it would be most of the lines.
        overtaking: Any = _Registration(self._server, self._wrap(quiet=True), overtakes=True)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, overtaking)
        described = Reflection([*self._names, HEALTH], self._held).handler()
        for service in REFLECTIONS:
            reflects = _Registration(self._server, self._wrap())
            reflects.add_registered_method_handlers(service, {REFLECT: described})
        self._server.add_generic_rpc_handlers((unknown_methods(),))
        try:
            self.port = self._bind(f"{host}:{port}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on {host}:{port}: the port is in use") from error
        await self._server.start()

    async def set_serving(self) -> None:
        """Sets health to SERVING."""
        self._report(True)
        if self._readiness:
            self._asking = asyncio.create_task(self._readiness.run())

    async def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Turns new calls away, lets running ones finish, then stops."""
        self._health.stop()
        if self._asking:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking
        await self._server.stop(grace_seconds)

    def _bind(self, address: str) -> int:
        if self._identity:
            return self._server.add_secure_port(address, self._identity.server_credentials())
        return self._server.add_insecure_port(address)

    def _report(self, ready: bool) -> None:
        self._health.set(serving=ready)


Assembled = AbstractAsyncContextManager[GrpcServer]
NEEDS_IDENTITY = "calls inside the mesh are mutual TLS; deploy/authority.py makes the files"


def run_service(
    name: str, settings: type[SettingsT], assemble: Callable[[SettingsT, Identity], Assembled]
) -> None:
    """The whole life of a service process: read settings, assemble, serve until SIGTERM, stop.

    The name is also that in the certificate. Exits with 1 and one sentence on standard error where
    the process cannot or must not start.
    """
    forbid_core_dumps()
    try:
        config = settings.with_parts([(IdentityFiles, NEEDS_IDENTITY)]).load(os.environ)
        log.configure(name, config.log_level)
        identity = Identity(IdentityFiles.model_validate(config, from_attributes=True), name)
        with suppress(asyncio.CancelledError):
            uvloop.run(_serve(name, config, identity, assemble(config, identity)))
    except (CannotStart, OSError) as error:
        sys.exit(f"{name} cannot start: {error}")


async def _serve(name: str, config: Settings, identity: Identity, assembled: Assembled) -> None:
    stop, task = asyncio.Event(), asyncio.current_task()
    is_serving = False

    def end() -> None:
        stop.set()
        # A start may wait without end for another service.
        if task and not is_serving:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    endpoint, ratio = config.otel_exporter_otlp_endpoint, config.otel_traces_sampler_arg
    async with identity.followed(), tracing.exported(name, endpoint, ratio), assembled as server:
        if server.on_hangup:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.on_hangup)
        publish_build(name, config.build_commit)
        publish_metrics(config.host, config.metrics_port)
        await server.start(config.host, config.port)
        collect_seldom()
        await server.set_serving()
        is_serving = True
        log.get_logger().info("serving", name=name, port=server.port)
        await stop.wait()
        await server.stop()
        log.get_logger().info("stopped", name=name)
