"""The ids that connect a payment's traces, and the metrics of every process. The trace context
is W3C traceparent in metadata; the payment carries its trace id in its row, so that the worker can
go on with it after the request is long over."""

import platform
import re
import secrets
from contextvars import ContextVar
from functools import cache

from prometheus_client import Counter, Gauge, Histogram, start_http_server

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)

trace_id_var: ContextVar[str] = ContextVar("trace_id", default="")
# Of the call that is being served, where its trace is sampled.
span_id_var: ContextVar[str] = ContextVar("span_id", default="")
request_id_var: ContextVar[str] = ContextVar("request_id", default="")

RPC_SECONDS = Histogram(
    "caravel_rpc_seconds",
    "Time to answer one call, by method and gRPC code.",
    ["method", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
# As pyproject.toml has it, which an image does not hold.
VERSION = "0.1.0"
BUILD = Gauge(
    "caravel_build_info",
    "Version and build of the process; always 1.",
    ["version", "commit", "service", "python"],
)
REFUSALS = Counter("caravel_refusals_total", "Refused calls, by reason.", ["reason"])


@cache
def rpc_seconds(method: str, code: str) -> Histogram:
    """The series of one method and code; to find it again for each call would cost more than to
    count."""
    return RPC_SECONDS.labels(method, code)


def new_trace_id() -> str:
    """A trace id nobody else has."""
    return secrets.token_hex(16)


def new_span_id() -> str:
    """A span id nobody else has."""
    return secrets.token_hex(8)


def read_traceparent(header: str | None) -> str:
    """The trace id of a caller's traceparent, or a new one where there is none that is valid."""
    match = _TRACEPARENT.fullmatch(header or "")
    # All zeros is how the standard writes that there is none.
    return match[1] if match and int(match[1], 16) and int(match[2], 16) else new_trace_id()


def read_parent(header: str | None) -> str:
    """The id of the caller's own span; empty where there is none."""
    match = _TRACEPARENT.fullmatch(header or "")
    return match[2] if match and int(match[1], 16) and int(match[2], 16) else ""


def write_traceparent() -> str | None:
    """The traceparent to send along with a call made now; None outside any trace."""
    trace_id = trace_id_var.get()
    return f"00-{trace_id}-{span_id_var.get() or new_span_id()}-01" if trace_id else None


def publish_build(service: str, commit: str) -> None:
    """Says among the numbers which code runs in this process."""
    BUILD.labels(VERSION, commit, service, platform.python_version()).set(1)


def publish_metrics(host: str, port: int) -> None:
    """Serves /metrics for Prometheus on a thread of its own; port 0 means do not.

    Raises OSError on a busy port.
    """
    if port:
        try:
            start_http_server(port, addr=host)
        except OSError as error:
            raise OSError(f"cannot publish metrics on {host}:{port}: {error}") from error
