"""The gateway samples the traces that every service samples, and says nothing of a caller in its
spans."""

import secrets
from pathlib import Path

import aiohttp

from services.shared.tracing import Span, exported_to, is_sampled
from tests.collector import collecting
from tests.polling import until
from tests.unit.gateway.conftest import Backend, run_envoy, start_backend

REQUESTS, RATIO = 60, 0.5


class Nowhere:
    """Takes spans, and keeps none."""

    def add(self, _: Span) -> None:
        """See Sink."""

    def flush(self) -> None:
        """See Sink."""


async def test_the_gateway_samples_what_the_services_sample(tmp_path: Path) -> None:
    trace_ids = [secrets.token_hex(16) for _ in range(REQUESTS)]
    async with exported_to(Nowhere(), RATIO):
        wanted = {trace_id for trace_id in trace_ids if is_sampled(trace_id)}
    assert 0 < len(wanted) < REQUESTS
    backend = Backend()
    server = await start_backend(backend)
    with collecting() as collector:
        traced = {"collector": collector.endpoint, "traces_ratio": RATIO}
        async with (
            run_envoy(tmp_path, server.port, backend, **traced) as gateway,
            aiohttp.ClientSession() as http,
        ):
            for number, trace_id in enumerate(trace_ids):
                # A caller's own flag decides nothing.
                header = f"00-{trace_id}-{secrets.token_hex(8)}-0{number % 2}"
                async with http.get(
                    f"{gateway.rest}/docs?secret=1", headers={"traceparent": header}
                ) as answer:
                    assert answer.status == 200

            async def sampled() -> set[str]:
                return {span.trace_id.hex() for _, span in collector.spans}

            assert await until(sampled, lambda found: found >= wanted) == wanted
    await server.stop(0)
    for _, span in collector.spans:
        said = {item.key: item.value.string_value for item in span.attributes}
        assert {said[name] for name in ("http.url", "user_agent", "peer.address")} == {"-"}
