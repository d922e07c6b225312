"""Calling a service: refusals come back as what they were, silence as Unavailable, and the caller's
trace goes along."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from services.shared import errors
from services.shared.grpc_client import call_metadata, open_channel, refusals_as_errors
from services.shared.grpc_status import retry_after_seconds
from services.shared.telemetry import request_id_var, trace_id_var
from tests.logs import logged
from tests.refusals import Busy, Expired, Missing, TooMuch
from tests.wire.shared.scripted import NAME, Scripted, serve, serving, stream, unary

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
Call = Callable[..., Coroutine[Any, Any, list[str]]]
both_ways = pytest.mark.parametrize("call", [unary, stream])


@asynccontextmanager
async def channel_to(
    servicer: Scripted, *, retry_unavailable: bool = False
) -> AsyncIterator[grpc.aio.Channel]:
    async with (
        serving(servicer) as target,
        open_channel(target, NAME, retry_unavailable=retry_unavailable) as channel,
    ):
        yield channel


async def error_of(answer: Awaitable[Any]) -> errors.DomainError:
    with pytest.raises(errors.DomainError) as refused:
        async with refusals_as_errors("providers"):
            await answer
    return refused.value


@both_ways
@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (Expired("It was good until noon.", quote_id="quo_1"), errors.NotAllowedNow),
        (errors.field_invalid("user_id", "user_id must be a UUID"), errors.Invalid),
        (TooMuch("Too much.", maximum="10000.00"), errors.OutOfRange),
        (Missing(), errors.NotFound),
        (Busy(), errors.Conflict),
        (errors.NotAuthenticated(), errors.NotAuthenticated),
        (errors.Overloaded(), errors.Overloaded),
    ],
)
async def test_a_refusal_comes_back_as_it_was_made(
    call: Call, sent: errors.DomainError, kind: type[errors.DomainError]
) -> None:
    async with channel_to(Scripted(errors=[sent])) as channel:
        error = await error_of(call(channel))

    assert isinstance(error, kind)
    assert (error.error_reason, error.message) == (sent.error_reason, sent.message)
    assert error.metadata == sent.metadata
    assert retry_after_seconds(error) == retry_after_seconds(sent)


@both_ways
async def test_a_fault_of_the_service_comes_back_without_its_text(call: Call) -> None:
    async with channel_to(Scripted(errors=[RuntimeError("swordfish")])) as channel:
        error = await error_of(call(channel))

    assert type(error).__mro__[1] is errors.DomainError
    assert error.error_reason == "INTERNAL_ERROR"
    assert "swordfish" not in error.message


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@both_ways
async def test_a_service_that_is_away_is_unavailable_and_the_log_says_why(call: Call) -> None:
    target = f"127.0.0.1:{free_port()}"
    with logged("payments") as lines:
        async with open_channel(target, NAME, retry_unavailable=True) as channel:
            error = await error_of(call(channel))

    assert isinstance(error, errors.Unavailable)
    assert error.metadata == {"service": "providers"}
    assert target not in error.message
    [line] = lines()
    assert (line["event"], line["name"], line["code"]) == (
        "service_away",
        "providers",
        "UNAVAILABLE",
    )
    assert line["details"]


@both_ways
async def test_a_service_that_goes_away_meanwhile_is_unavailable(call: Call) -> None:
    servicer = Scripted()
    servicer.gate.clear()
    server = serve(servicer)
    await server.start("127.0.0.1", 0)
    await server.set_serving()
    target = f"127.0.0.1:{server.port}"
    async with open_channel(target, NAME, retry_unavailable=False) as channel:
        running = asyncio.create_task(error_of(call(channel)))
        await servicer.entered.wait()
        await server.stop(0)

        error = await running

    assert isinstance(error, errors.Unavailable)


async def test_an_answer_too_late_is_unavailable() -> None:
    servicer = Scripted()
    servicer.gate.clear()
    async with channel_to(servicer) as channel:
        method: Any = channel.unary_unary(f"/{NAME}/ListProviders")

        error = await error_of(method(b"", timeout=0.01))

    assert isinstance(error, errors.Unavailable)


# The last two come from gRPC itself, where the service is another one or the answer too large.
@pytest.mark.parametrize(
    "code",
    [
        *("UNKNOWN", "CANCELLED", "UNAVAILABLE", "DEADLINE_EXCEEDED"),
        *("UNIMPLEMENTED", "RESOURCE_EXHAUSTED"),
    ],
)
async def test_an_answer_that_is_no_refusal_of_ours_is_unavailable(code: str) -> None:
    async def answer(_: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode[code], "a proxy's own words")

    async with raw_channel(answer, retry_unavailable=False) as channel:
        method: Any = channel.unary_unary("/test.Raw/Call")
        error = await error_of(method(b"", timeout=10))

    assert isinstance(error, errors.Unavailable)
    assert "proxy" not in error.message


@asynccontextmanager
async def raw_channel(answer: Any, *, retry_unavailable: bool) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server that is none of ours."""
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Raw", {"Call": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(
        f"127.0.0.1:{port}", "test.Raw", retry_unavailable=retry_unavailable
    ) as channel:
        yield channel
    await server.stop(0)


@both_ways
async def test_unavailable_is_sent_again_where_every_call_may_run_twice(call: Call) -> None:
    servicer = Scripted(errors=[errors.Unavailable() for _ in range(3)])
    async with channel_to(servicer, retry_unavailable=True) as channel:
        answer = await call(channel)

    assert answer
    assert servicer.calls == 4


async def test_patience_with_unavailable_ends_after_four_calls() -> None:
    servicer = Scripted(errors=[errors.Unavailable() for _ in range(5)])
    async with channel_to(servicer, retry_unavailable=True) as channel:
        error = await error_of(unary(channel))

    assert isinstance(error, errors.Unavailable)
    assert servicer.calls == 4


@both_ways
async def test_unavailable_is_sent_once_where_a_call_must_not_run_twice(call: Call) -> None:
    servicer = Scripted(errors=[errors.Unavailable()])
    async with channel_to(servicer, retry_unavailable=False) as channel:
        error = await error_of(call(channel))

    assert isinstance(error, errors.Unavailable)
    assert servicer.calls == 1


@both_ways
@pytest.mark.parametrize("refusal", [Expired(), Busy(), RuntimeError("boom")])
async def test_nothing_but_unavailable_is_sent_again(call: Call, refusal: Exception) -> None:
    servicer = Scripted(errors=[refusal])
    async with channel_to(servicer, retry_unavailable=True) as channel:
        await error_of(call(channel))

    assert servicer.calls == 1


async def test_a_replica_is_called_only_while_it_is_healthy() -> None:
    servicer = Scripted()
    server = serve(servicer)
    await server.start("127.0.0.1", 0)
    target = f"127.0.0.1:{server.port}"
    async with open_channel(target, NAME, retry_unavailable=False) as channel:
        before = await error_of(unary(channel))
        await server.set_serving()
        while channel.get_state() is not grpc.ChannelConnectivity.READY:
            await channel.wait_for_state_change(channel.get_state())
        answer = await unary(channel)
    await server.stop(0)

    assert isinstance(before, errors.Unavailable)
    assert answer == ["acme"]
    assert servicer.calls == 1


async def test_a_channel_that_does_not_follow_health_reaches_an_unhealthy_replica() -> None:
    server = serve(Scripted())
    await server.start("127.0.0.1", 0)
    target = f"127.0.0.1:{server.port}"
    opened = open_channel(target, NAME, retry_unavailable=False, follows_health=False)
    async with opened as channel:
        answer = await unary(channel)
    await server.stop(0)

    assert answer == ["acme"]


async def test_a_call_carries_the_callers_trace_and_request() -> None:
    servicer = Scripted()
    trace, request = trace_id_var.set(TRACE_ID), request_id_var.set("req-1")
    async with channel_to(servicer) as channel:
        await unary(channel, metadata=call_metadata())
    trace_id_var.reset(trace)
    request_id_var.reset(request)

    assert servicer.contexts == [(TRACE_ID, "req-1")]


def test_outside_any_call_nothing_is_carried() -> None:
    assert call_metadata() == ()


async def test_error_that_is_not_a_refusal_passes_unchanged() -> None:
    with pytest.raises(KeyError):
        async with refusals_as_errors("providers"):
            raise KeyError("mine")
