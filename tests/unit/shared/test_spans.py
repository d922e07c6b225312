"""Spans reach a collector as they were recorded, and one that is away delays no stop."""

from services.shared import tracing
from services.shared.tracing import record, root_of
from tests.collector import collecting

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def test_spans_reach_a_collector_with_their_ids() -> None:
    with collecting() as collector:
        async with tracing.exported("fees", collector.endpoint, 1.0):
            record("call", TRACE_ID, parent=SPAN_ID, span_id=root_of(TRACE_ID), failed=True)
            record("work", TRACE_ID, began=1, corridor="us-ng")

        (_, call), (service, work) = sorted(collector.of(TRACE_ID), key=lambda one: one[1].name)
    assert service == "fees"
    assert (call.parent_span_id.hex(), call.span_id.hex()) == (SPAN_ID, root_of(TRACE_ID))
    assert call.status.code == call.status.STATUS_CODE_ERROR
    assert work.parent_span_id == call.span_id
    assert (work.start_time_unix_nano, work.attributes[0].value.string_value) == (1, "us-ng")


async def test_a_collector_that_is_away_delays_no_stop() -> None:
    async with tracing.exported("fees", "http://127.0.0.1:1", 1.0):
        record("work", TRACE_ID)
