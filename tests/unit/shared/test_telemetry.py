"""Traces continue where they can, begin where they must, and every process shows its numbers."""

import asyncio
import socket
import threading

import pytest
from aiohttp import ClientSession

from services.shared.telemetry import (
    REFUSALS,
    new_trace_id,
    publish_metrics,
    read_traceparent,
    trace_id_var,
    write_traceparent,
)

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize("flags", ["00", "01", "ff"])
def test_a_callers_trace_is_continued(flags: str) -> None:
    assert read_traceparent(f"00-{TRACE_ID}-{SPAN_ID}-{flags}") == TRACE_ID


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        TRACE_ID,
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01\n",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID[:-1]}-{SPAN_ID}-01",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[:-1]}\N{ARABIC-INDIC DIGIT ONE}-{SPAN_ID}-01",
    ],
)
def test_without_a_valid_one_a_trace_begins(header: str | None) -> None:
    first, second = read_traceparent(header), read_traceparent(header)

    assert first != second
    assert TRACE_ID not in (first, second)
    assert len(first) == 32
    assert int(first, 16)


def test_a_call_carries_the_trace_it_is_made_in() -> None:
    trace_id = new_trace_id()
    before = trace_id_var.set(trace_id)
    first, second = write_traceparent(), write_traceparent()
    trace_id_var.reset(before)

    assert first != second
    assert read_traceparent(first) == read_traceparent(second) == trace_id


def test_outside_any_trace_nothing_is_carried() -> None:
    assert write_traceparent() is None


async def test_each_task_keeps_to_its_own_trace() -> None:
    async def carry(trace_id: str) -> str | None:
        trace_id_var.set(trace_id)
        await asyncio.sleep(0)
        return write_traceparent()

    traces = [new_trace_id() for _ in range(3)]
    carried = await asyncio.gather(*(carry(trace_id) for trace_id in traces))

    assert [read_traceparent(header) for header in carried] == traces
    assert trace_id_var.get() == ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_numbers_are_published_for_prometheus() -> None:
    port = free_port()
    REFUSALS.labels("SHOWN_BY_A_TEST").inc()

    publish_metrics("127.0.0.1", port)

    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as page:
        text = await page.text()
    assert 'caravel_refusals_total{reason="SHOWN_BY_A_TEST"} 1.0' in text
    assert "# TYPE caravel_rpc_seconds histogram" in text


def test_port_zero_publishes_nothing() -> None:
    before = threading.enumerate()

    publish_metrics("127.0.0.1", 0)

    assert threading.enumerate() == before


def test_a_busy_metrics_port_is_an_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}: .* in use"):
            publish_metrics("127.0.0.1", port)
