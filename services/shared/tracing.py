"""Spans of the traces that are sampled, where OTEL_EXPORTER_OTLP_ENDPOINT is set; else it costs a
look at one variable. A span is recorded once its work is over. Every process samples by the trace
id alone, so that all take the same ones; and a payment's later work, of which only the trace id is
stored, finds its parent by that, too."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from services.shared.log import get_logger
from services.shared.telemetry import span_id_var, trace_id_var

MILLION = 1_000_000
_TRACE_ID = re.compile("(?!0{32})[0-9a-f]{32}", re.ASCII)
# When the work began whose result is recorded now, in nanoseconds since 1970.
began_var: ContextVar[int] = ContextVar("began", default=0)


@dataclass(frozen=True, kw_only=True)
class Span:
    """Work that is over. Ids are hexadecimal; without an id of its own it gets one."""

    name: str
    trace_id: str
    parent: str
    id: str
    # In nanoseconds since 1970.
    began: int
    ended: int
    # Whether it served a call.
    is_call: bool
    failed: bool
    attributes: Mapping[str, str]


class Sink(Protocol):
    """Takes spans as they end and sends them to a collector."""

    def add(self, span: Span) -> None:
        """Takes a span, and returns at once."""
        ...

    def flush(self) -> None:
        """Sends the spans that have been taken and not sent yet."""
        ...


class _Export:
    """A process has one, as it has one log."""

    sink: Sink | None = None
    millionths = 0


@asynccontextmanager
async def exported(service: str, endpoint: str, ratio: float) -> AsyncIterator[None]:
    """Exports this share of all traces until the block ends; nothing without an endpoint."""
    if not endpoint:
        yield
        return
    from services.shared.spans import Spans  # noqa: PLC0415

    async with exported_to(Spans(service, endpoint), ratio):
        yield


@asynccontextmanager
async def exported_to(sink: Sink, ratio: float) -> AsyncIterator[None]:
    """The same, to any sink."""
    _Export.sink, _Export.millionths = sink, round(ratio * MILLION)
    try:
        yield
    finally:
        _Export.sink = None
        await asyncio.to_thread(sink.flush)


def is_sampled(trace_id: str) -> bool:
    """Whether spans of the trace are recorded; by the same arithmetic as Envoy's sampler by ratio,
    which takes the first half of the id with its lowest byte first."""
    if _Export.sink is None or not _TRACE_ID.fullmatch(trace_id):
        return False
    first = int.from_bytes(bytes.fromhex(trace_id[:16]), "little")
    return first % MILLION < _Export.millionths


def root_of(trace_id: str) -> str:
    """The id of the span under which all stands that is done for a payment."""
    last = trace_id[16:]
    return last if last.strip("0") else f"{1:016x}"


def begin_root() -> None:
    """Makes the call that is being served the parent of all that follows from it."""
    if span_id_var.get():
        span_id_var.set(root_of(trace_id_var.get()))


def record(
    name: str,
    trace_id: str,
    *,
    began: int = 0,
    parent: str = "",
    span_id: str = "",
    is_call: bool = False,
    failed: bool = False,
    **attributes: str,
) -> None:
    """Records a span that ends now, and has begun now where it does not say when. Its parent is the
    trace's root where none is named. Attributes are ids and our own words, never a person's.

    Raises nothing: what is done for a payment does not depend on it.
    """
    if _Export.sink is None or not is_sampled(trace_id):
        return
    now = time.time_ns()
    span = Span(
        name=name,
        trace_id=trace_id,
        parent=parent or root_of(trace_id),
        id=span_id,
        began=began or now,
        ended=now,
        is_call=is_call,
        failed=failed,
        attributes=attributes,
    )
    try:
        _Export.sink.add(span)
    except Exception:  # noqa: BLE001
        get_logger().exception("span_lost", name=name)
