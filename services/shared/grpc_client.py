"""Calling another service: a channel that spreads over replicas and follows their health, the
caller's trace and request along with every call, and refusals back as DomainErrors."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
from grpc_status import rpc_status

from services.shared import grpc_status
from services.shared.certificates import Certificate, host_name
from services.shared.errors import Unavailable
from services.shared.grpc_channel import FollowingChannel
from services.shared.identity import Identity, channel_credentials
from services.shared.log import get_logger
from services.shared.telemetry import request_id_var, write_traceparent

# Answers that say nothing about the request itself: the service is away or was too slow.
_AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
}

# The largest of gRPC's integers stands for no limit.
_NEVER = 2**31 - 1


def open_channel(
    target: str,
    service: str,
    identity: Identity | None = None,
    *,
    retry_unavailable: bool,
    follows_health: bool = True,
) -> grpc.aio.Channel:
    """A channel to every replica behind target ("host:port"), where a service of the mesh serves
    the gRPC service of this full name, for example "caravel.fees.v1.FeeService".

    The peer must have that service's certificate, and sees that of the identity; only in tests
    there is none, and the channel is in the clear. retry_unavailable re-sends a call that
    was answered UNAVAILABLE up to three times; only for services whose every call may run twice.
    follows_health keeps calls from a replica that says NOT_SERVING; without it they reach one that
    refuses most calls, and answers those by which a person finds out why.
    """
    options = [
        ("grpc.service_config", _service_config(service, retry_unavailable, follows_health)),
        ("grpc.enable_retries", 1 if retry_unavailable else 0),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.max_receive_message_length", 16 * 1024 * 1024),
        # After a replica dies the rest must be found again in less than a request's deadline.
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # How long a connection may take; the lookup that finds a new replica waits for it.
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.dns_min_time_between_resolutions_ms", 500),
        # A channel at rest would forget the replicas, and the next call fail with the lookup.
        ("grpc.client_idle_timeout_ms", _NEVER),
    ]

    def with_certificate(certificate: Certificate) -> grpc.aio.Channel:
        # The name that the peer's certificate must have, whatever its address is.
        named = ("grpc.ssl_target_name_override", host_name(service.split(".")[1]))
        credentials = channel_credentials(certificate)
        return grpc.aio.secure_channel(f"dns:///{target}", credentials, options=[*options, named])

    if identity:
        channel: grpc.aio.Channel = FollowingChannel(with_certificate, identity)
    else:
        channel = grpc.aio.insecure_channel(f"dns:///{target}", options=options)
    # Looks the replicas up now; with the first call, one lost DNS packet would fail that call.
    channel.get_state(try_to_connect=True)
    return channel


def _service_config(service: str, retry_unavailable: bool, follows_health: bool) -> str:
    method: dict[str, Any] = {"name": [{"service": service}]}
    if retry_unavailable:
        method["retryPolicy"] = {
            "maxAttempts": 4,
            "initialBackoff": "0.05s",
            "maxBackoff": "0.5s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
    health = {"healthCheckConfig": {"serviceName": service}} if follows_health else {}
    return json.dumps(
        {"loadBalancingConfig": [{"round_robin": {}}], **health, "methodConfig": [method]}
    )


def call_metadata() -> tuple[tuple[str, str], ...]:
    """The metadata of every call: the trace and the request to which it belongs."""
    pairs = (("traceparent", write_traceparent()), ("x-request-id", request_id_var.get()))
    return tuple((key, value) for key, value in pairs if value)


@asynccontextmanager
async def refusals_as_errors(service: str) -> AsyncIterator[None]:
    """Turns a failed call into the DomainError it stands for; a service away into Unavailable."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        # The error of an aio call answers like a finished call, though its type does not say so.
        status = rpc_status.from_call(cast("grpc.Call", error))
        if status is not None and error.code() not in _AWAY:
            raise grpc_status.from_status(status) from None
        # The caller learns only that nobody answered; the cause stands here and nowhere else.
        get_logger().warning(
            "service_away", name=service, code=error.code().name, details=error.details()
        )
        raise Unavailable(f"{service} cannot answer now", service=service) from error
