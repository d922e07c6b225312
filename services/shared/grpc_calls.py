"""Around each handler of a service: credentials before the message, the message within a bounded
time, the trace and request it belongs to, log and metrics, and every error as one Status."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from grpc_status import rpc_status

from services.shared import grpc_status, log, tracing
from services.shared.certificates import service_of
from services.shared.enum_numbers import refuse_unknown_numbers
from services.shared.errors import (
    DomainError,
    Forbidden,
    Invalid,
    TooSlow,
    Unavailable,
    Unsupported,
    unexpected,
)
from services.shared.ids import new_id
from services.shared.telemetry import (
    REFUSALS,
    new_span_id,
    read_parent,
    read_traceparent,
    request_id_var,
    rpc_seconds,
    span_id_var,
    trace_id_var,
)
from services.shared.time_limit import TimeLimit

# gRPC's name for those in a certificate.
_NAMES = "x509_subject_alternative_name"

# How long a message may take to arrive, and the next question of a conversation.
MESSAGE_SECONDS, CONVERSATION_SECONDS = 10.0, 60.0

# The gateway sets it on a call that it makes of a REST request, and takes it from all others. Such
# a call is one message, and to look for another would be a fifteenth of a new payment's cost.
TRANSCODED = "x-envoy-original-path"

Handler = Callable[[Any, Any], Any]
# Metadata that the answer of this call has, whether it succeeds or not; the admission sets them.
# They come at its end: to send any before costs a sixtieth of a new payment.
answer_metadata_var: ContextVar[Sequence[tuple[str, str]]] = ContextVar("answer", default=())


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The sender of a call: the metadata, and the name in the certificate of the connection."""

    # As it was sent, where a name may come twice, and by name.
    pairs: Sequence[tuple[str, Any]]
    metadata: Mapping[str, Any]
    # The path of the call, for example "/caravel.fees.v1.FeeService/CalculateFees".
    method: str = ""
    # Empty where the server has no certificates, which only tests leave out.
    service: str = ""


# Raises a DomainError where a call may not be made, by its path and caller.
Admit = Callable[[str, Caller], Awaitable[None]]
Wrap = Callable[[Any, str], Any]


async def everyone(_: object, __: Caller) -> None:
    """Admits every call."""


class RequestUnreadable(Invalid):
    """The request is not of the contract's form: a text in it is not UTF-8, or it is cut off."""


class ServiceNotAllowed(Forbidden):
    """The certificate of the caller is that of a service that may not make this call."""

    reason = "SERVICE_NOT_ALLOWED"


class MessageMissing(Invalid):
    """The call ended without the message that its method takes."""

    reason = "MESSAGE_MISSING"


class MessageSurplus(Invalid):
    """The call has more than the one message that its method takes."""

    reason = "MESSAGE_SURPLUS"


def wrapper(
    admit: Admit = everyone,
    *,
    quiet: bool = False,
    message_seconds: float = MESSAGE_SECONDS,
    conversation_seconds: float = CONVERSATION_SECONDS,
) -> Wrap:
    """Makes the wrapper of handlers: trace and request, time, log, and an answer to every error.

    A DomainError becomes its own gRPC code; anything else is logged whole and answered as INTERNAL
    without a word of its text. Where it is quiet, a call's line in the log is for debugging only.

    Every handler is given to gRPC as one that reads its messages itself: gRPC would read the
    message before anybody asked for credentials, never answer a call without one, and wait for one
    without end. A second message is refused: nobody could say which of the two was meant. The
    gateway's calls of REST requests have none.
    """
    logged = _log_at_debug if quiet else _log
    arrivals, questions = TimeLimit(message_seconds), TimeLimit(conversation_seconds)

    def wrap(handler: Any, method: str) -> Any:
        # Without a deserializer the handler gets the bytes: gRPC would answer a request that cannot
        # be read with the exception's own words.
        read, write = handler.request_deserializer, handler.response_serializer
        begin = _Beginning(method, admit, read, logged, arrivals)
        if handler.unary_unary:
            answer = _unary(begin, handler.unary_unary)
            return grpc.stream_unary_rpc_method_handler(answer, None, write)
        if handler.unary_stream:
            answer = _stream(begin, handler.unary_stream)
        elif handler.stream_stream:
            answer = _conversation(begin, handler.stream_stream, questions)
        else:
            raise NotImplementedError(f"{method} has an answer for many messages")
        return grpc.stream_stream_rpc_method_handler(answer, None, write)

    return wrap


def unknown_methods() -> grpc.GenericRpcHandler:
    """Answers the calls that no other handler knows; to be added last."""
    return _Unknown()


class _Unknown(grpc.GenericRpcHandler):
    """Any method at all, which is refused."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """A handler that refuses. Its method is the caller's text, and no label of a metric."""

        async def refuse(_: Any, context: Any) -> Any:
            call = _Call("unknown", context, _log)
            await call.fail(Unsupported("There is no such method here; reflection lists all."))

        return grpc.stream_unary_rpc_method_handler(refuse, None, None)


class _Beginning:
    """The steps before every handler: the call is admitted, and its message read."""

    def __init__(
        self,
        method: str,
        admit: Admit,
        deserialize: Callable[[bytes], Any],
        logged: "_Log",
        arrivals: TimeLimit,
    ) -> None:
        self._method = method
        self._admit = admit
        self._deserialize = deserialize
        self._logged = logged
        self._arrivals = arrivals

    def call(self, context: Any) -> "_Call":
        """The call, within its trace and request."""
        return _Call(self._method, context, self._logged)

    async def admit(self, call: "_Call") -> None:
        """Raises a DomainError where the call may not be made."""
        caller = Caller(
            pairs=call.pairs, metadata=call.metadata, method=self._method, service=call.service
        )
        await self._admit(self._method, caller)

    async def message(self, call: "_Call", context: Any) -> Any:
        """The call's one message and then its end, once it is admitted."""
        await self.admit(call)
        message = await _message(context, self._arrivals)
        if message is grpc.aio.EOF:
            raise MessageMissing
        read = self.read(message)
        if TRANSCODED not in call.metadata:
            await self._end(context)
        return read

    async def _end(self, context: Any) -> None:
        if await _message(context, self._arrivals) is not grpc.aio.EOF:
            raise MessageSurplus

    def read(self, message: bytes) -> Any:
        """The message, of the contract's form."""
        try:
            read = self._deserialize(message)
        except DecodeError:
            raise RequestUnreadable from None
        refuse_unknown_numbers(read)
        return read


async def _message(context: Any, limit: TimeLimit) -> Any:
    try:
        return await limit.of(context.read())
    except TimeoutError:
        raise TooSlow("The message did not arrive in time.") from None


def _unary(begin: _Beginning, answer: Handler) -> Handler:
    async def wrapped(_: Any, context: Any) -> Any:
        call = begin.call(context)
        try:
            response = await answer(await begin.message(call, context), context)
            call.conclude()
        except BaseException as error:
            await call.fail(error)
            raise
        call.note("OK")
        return response

    return wrapped


def _stream(begin: _Beginning, answer: Handler) -> Handler:
    async def wrapped(_: Any, context: Any) -> AsyncIterator[Any]:
        call = begin.call(context)
        try:
            async for response in answer(await begin.message(call, context), context):
                yield response
            call.conclude()
        except BaseException as error:
            await call.fail(error)
            raise
        call.note("OK")

    return wrapped


def _conversation(begin: _Beginning, answer: Handler, questions: TimeLimit) -> Handler:
    async def messages(context: Any) -> AsyncIterator[Any]:
        while (message := await _message(context, questions)) is not grpc.aio.EOF:
            yield begin.read(message)

    async def wrapped(_: Any, context: Any) -> AsyncIterator[Any]:
        call = begin.call(context)
        try:
            await begin.admit(call)
            async for response in answer(messages(context), context):
                yield response
            call.conclude()
        except BaseException as error:
            await call.fail(error)
            raise
        call.note("OK")

    return wrapped


_Log = Callable[..., Any]


def _log(**facts: Any) -> None:
    """Of what our own side could not answer, the cause is something that an operator looks for."""
    write = log.get_logger().warning if facts.get("cause") else log.get_logger().info
    write("call", **facts)


def _log_at_debug(**facts: Any) -> None:
    log.get_logger().debug("call", **facts)


class _Call:
    """One call from its first byte to its answer."""

    def __init__(self, method: str, context: Any, logged: _Log) -> None:
        self.pairs: Sequence[tuple[str, Any]] = context.invocation_metadata() or ()
        self.metadata: Mapping[str, Any] = dict(self.pairs)
        self.service = _service(context)
        traceparent = self.metadata.get("traceparent")
        trace_id_var.set(read_traceparent(traceparent))
        self._parent, self._began = read_parent(traceparent), time.time_ns()
        # A call without a trace belongs to many payments; each of them has its own spans.
        is_sampled = self._parent and tracing.is_sampled(trace_id_var.get())
        span_id_var.set(new_span_id() if is_sampled else "")
        answer_metadata_var.set(())
        request_id_var.set(self.metadata.get("x-request-id") or str(new_id()))
        self._method = method
        self._context = context
        self._logged = logged
        self._started = time.monotonic()

    def conclude(self) -> None:
        """Puts the metadata of the answer at its end."""
        if pairs := answer_metadata_var.get():
            self._context.set_trailing_metadata(tuple(pairs))
            if TRANSCODED in self.metadata:
                # Of the end of a success only this text becomes a header over REST, of which the
                # gateway makes those that are meant.
                self._context.set_details(" ".join(f"{name}={value}" for name, value in pairs))

    async def fail(self, error: BaseException) -> None:
        """Answers the error, where it is one that can be answered; then gRPC's AbortError comes."""
        code, facts = "OK", {"reason": ""}
        try:
            if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
                code = "CANCELLED"
            elif isinstance(error, grpc.aio.AbortError):
                code = "ABORTED"
            elif isinstance(error, DomainError):
                code, facts = grpc_status.code_of(error).name, {"reason": error.error_reason}
                if isinstance(error, Unavailable):
                    facts["cause"] = error.cause or type(error).__name__
                await _refuse(self._context, error)
            elif isinstance(error, Exception):
                # Nothing of an unexpected error may reach a client.
                code, facts = "INTERNAL", {"reason": "INTERNAL_ERROR"}
                log.get_logger().exception("call_failed", method=self._method, exc_info=error)
                await _refuse(self._context, unexpected())
        finally:
            self.note(code, **facts)

    def note(self, code: str, reason: str = "", **facts: str) -> None:
        """Counts, times and logs the call, once it is over."""
        seconds = time.monotonic() - self._started
        rpc_seconds(self._method, code).observe(seconds)
        if reason:
            REFUSALS.labels(reason).inc()
        if span_id := span_id_var.get():
            tracing.record(
                self._method,
                trace_id_var.get(),
                began=self._began,
                parent=self._parent,
                span_id=span_id,
                is_call=True,
                failed=code in ("INTERNAL", "UNAVAILABLE"),
                code=code,
                reason=reason,
            )
        self._logged(
            method=self._method,
            code=code,
            reason=reason,
            milliseconds=round(seconds * 1000, 2),
            **facts,
        )


def _service(context: Any) -> str:
    """The service in the certificate of the connection; empty where that has none."""
    names = context.auth_context().get(_NAMES, ())
    # No authority of ours gives one certificate two names.
    return service_of(names[0].decode()) if len(names) == 1 else ""


async def _refuse(context: Any, error: DomainError) -> None:
    status: status_pb2.Status = grpc_status.to_status(error, request_id_var.get())
    answer = rpc_status.to_status(status)
    trailers = [*answer.trailing_metadata, *answer_metadata_var.get()]
    if (seconds := grpc_status.retry_after_seconds(error)) is not None:
        # Not as initial metadata: an answer that has any is final for gRPC, which then never
        # retries it. Where it has none, the gateway makes HTTP headers of the trailers.
        trailers.append(("retry-after", str(seconds)))
    await context.abort(answer.code, answer.details, tuple(trailers))
