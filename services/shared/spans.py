"""The spans of OpenTelemetry's SDK, exported over OTLP by a thread of its own. Imported by tracing
where spans are exported, because the SDK costs each process a second and some memory."""

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from services.shared.telemetry import VERSION
from services.shared.tracing import Span

# A collector that is away is given up after so long, and a stop waits no longer for it.
EXPORT_SECONDS = 2
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class _Ids(RandomIdGenerator):
    """Gives the next span the id that it was called by while it ran."""

    span_id = 0

    def generate_span_id(self) -> int:
        """See IdGenerator."""
        chosen, self.span_id = self.span_id, 0
        return chosen or super().generate_span_id()


class Spans:
    """Takes spans that are over, and sends them to a collector."""

    def __init__(self, service: str, endpoint: str, exporter: SpanExporter | None = None) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(
            # tracing has decided already.
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": service, "service.version": VERSION}),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter or OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
            )
        )
        self._tracer = self._provider.get_tracer("caravel")

    def add(self, span: Span) -> None:
        """See Sink.add."""
        parent = SpanContext(
            trace_id=int(span.trace_id, 16),
            span_id=int(span.parent, 16),
            is_remote=True,
            trace_flags=_SAMPLED,
        )
        self._ids.span_id = int(span.id or "0", 16)
        added = self._tracer.start_span(
            span.name,
            context=set_span_in_context(NonRecordingSpan(parent)),
            kind=SpanKind.SERVER if span.is_call else SpanKind.INTERNAL,
            attributes=span.attributes,
            start_time=span.began,
        )
        if span.failed:
            added.set_status(Status(StatusCode.ERROR))
        added.end(span.ended)

    def flush(self) -> None:
        """Sends what waits, within a time."""
        self._provider.force_flush(EXPORT_SECONDS * 1000)
