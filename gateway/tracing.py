"""The part of Envoy's configuration that exports spans, where a collector is named."""

from collections.abc import Mapping
from urllib.parse import urlsplit

# In its place start_container.sh puts the collector that the environment names.
PLACEHOLDER = "http://collector.invalid:4317"
MILLION = 1_000_000
_TRACE_V3 = "type.googleapis.com/envoy.config.trace.v3"
_SAMPLERS = "envoy.tracers.opentelemetry.samplers"
_SAMPLERS_V3 = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3"
# They show the caller's address, program, and all that a mistaken one has put into its URL.
_LEFT_OUT = ("http.url", "user_agent", "peer.address")


def tracing(collector: str, ratio: float) -> Mapping[str, object]:
    """The values of the template: of a listener, of its log, and of the cluster of the collector,
    http://host:port."""
    if not collector:
        return {
            "TRACING": None,
            "TRACE_ID": "%DYNAMIC_METADATA(caravel:trace_id)%",
            "COLLECTOR_ENDPOINTS": [],
        }
    parts = urlsplit(collector)
    address = {"address": parts.hostname, "port_value": parts.port}
    return {
        "TRACING": {
            "custom_tags": [{"tag": tag, "literal": {"value": "-"}} for tag in _LEFT_OUT],
            "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": _exporter(ratio)},
        },
        # Envoy's own, of a caller who brought none.
        "TRACE_ID": "%TRACE_ID%",
        "COLLECTOR_ENDPOINTS": [{"endpoint": {"address": {"socket_address": address}}}],
    }


def _exporter(ratio: float) -> Mapping[str, object]:
    share = {"numerator": round(ratio * MILLION), "denominator": "MILLION"}
    return {
        "@type": f"{_TRACE_V3}.OpenTelemetryConfig",
        "service_name": "gateway",
        "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}, "timeout": "1s"},
        # By the trace id alone, as in every service.
        "sampler": {
            "name": f"{_SAMPLERS}.trace_id_ratio_based",
            "typed_config": {
                "@type": f"{_SAMPLERS_V3}.TraceIdRatioBasedSamplerConfig",
                "sampling_percentage": share,
            },
        },
    }
