"""A span is recorded of a trace that is sampled, by the trace id alone, and harms nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.shared import tracing
from services.shared.telemetry import span_id_var, trace_id_var
from services.shared.tracing import Span, begin_root, exported_to, is_sampled, record, root_of
from tests.logs import logged

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
# The first half of each, read with its lowest byte first, has these last six digits.
LAST_DIGITS = {
    "0000000000000000" + "1" * 16: 0,
    "3f42000000000000" + "1" * 16: 16_959,
    "40420f0000000000" + "1" * 16: 0,
    "3f420f0000000000" + "1" * 16: 999_999,
    "ffffffffffffffff" + "1" * 16: 551_615,
}


class Kept:
    """A sink that keeps spans, or breaks down."""

    def __init__(self, error: Exception | None = None) -> None:
        self.spans: list[Span] = []
        self.flushed = False
        self._error = error

    def add(self, span: Span) -> None:
        if self._error:
            raise self._error
        self.spans.append(span)

    def flush(self) -> None:
        self.flushed = True


@asynccontextmanager
async def _serving(trace_id: str, span_id: str) -> AsyncIterator[None]:
    tokens = trace_id_var.set(trace_id), span_id_var.set(span_id)
    yield
    trace_id_var.reset(tokens[0])
    span_id_var.reset(tokens[1])


async def test_without_an_endpoint_nothing_is_sampled() -> None:
    async with tracing.exported("fees", "", 1.0):
        assert not is_sampled(TRACE_ID)
        record("work", TRACE_ID)


@pytest.mark.parametrize(("trace_id", "digits"), LAST_DIGITS.items())
async def test_a_trace_is_sampled_as_envoy_samples_it(trace_id: str, digits: int) -> None:
    async with exported_to(Kept(), digits / 1_000_000):
        assert not is_sampled(trace_id)
    async with exported_to(Kept(), (digits + 1) / 1_000_000):
        assert is_sampled(trace_id)


@pytest.mark.parametrize(
    "trace_id", ["", "0" * 32, TRACE_ID[:-1], TRACE_ID.upper(), "x" * 32, f"{TRACE_ID}0"]
)
async def test_of_no_trace_nothing_is_recorded(trace_id: str) -> None:
    async with exported_to(kept := Kept(), 1.0):
        record("work", trace_id)

    assert kept.spans == []
    assert kept.flushed


async def test_work_stands_under_the_call_that_began_its_trace() -> None:
    async with exported_to(kept := Kept(), 1.0), _serving(TRACE_ID, SPAN_ID):
        begin_root()
        record("call", TRACE_ID, parent=SPAN_ID, span_id=span_id_var.get(), is_call=True)
        record("work", TRACE_ID, provider="one")

    call, work = kept.spans
    assert (call.parent, call.id, call.is_call) == (SPAN_ID, root_of(TRACE_ID), True)
    assert (work.parent, work.attributes) == (call.id, {"provider": "one"})
    assert work.began == work.ended


async def test_a_call_that_is_not_sampled_begins_nothing() -> None:
    async with _serving(TRACE_ID, ""):
        begin_root()
        assert span_id_var.get() == ""


def test_a_root_has_an_id_whatever_its_trace_is() -> None:
    assert root_of(TRACE_ID) == TRACE_ID[16:]
    assert root_of("1" * 16 + "0" * 16) == "0000000000000001"


async def test_a_span_that_cannot_be_taken_is_in_the_log_alone() -> None:
    async with exported_to(Kept(ValueError("broken")), 1.0):
        with logged() as lines:
            record("work", TRACE_ID)

    (line,) = lines()
    assert line["event"] == "span_lost"
