"""The configuration: Envoy accepts it, its files are all there, and health is followed."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from caravel.common.v1 import error_reason_pb2
from caravel.payments.v1 import payments_pb2

from deploy.local.mesh import ports
from gateway.config import COMPOSE, GatewayConfig, arguments, render, write
from tests.unit.gateway.conftest import (
    ENVOY,
    START_SECONDS,
    Backend,
    Gateway,
    created,
    run_envoy,
    start_backend,
)

OPENAPI = Path(__file__).parents[3] / "gateway" / "openapi.json"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
async def test_envoy_accepts_the_configuration(tmp_path: Path, host: str) -> None:
    folder = tmp_path / 'a "quoted" folder'
    file = write(GatewayConfig(files=folder, host=host, payments_host="payments"), folder)

    process = await asyncio.create_subprocess_exec(
        ENVOY,
        *("--mode", "validate"),
        *arguments(file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()


def test_containers_listen_on_five_ports_and_have_the_admin_page_on_none() -> None:
    text = render(COMPOSE)

    for port in (8080, 9090, 8081, 9091, 9464):
        assert f'{{ address: "0.0.0.0", port_value: {port} }}' in text
    assert '{ pipe: { path: "/tmp/admin.sock", mode: 384 } }' in text
    assert '{"address": "payments", "port_value": 50051}' in text


def test_every_file_that_the_configuration_names_is_written(tmp_path: Path) -> None:
    write(COMPOSE, tmp_path)

    named = re.findall(rf'"{COMPOSE.files}/([^"]+)"', render(COMPOSE))
    assert len({*named}) == 14
    assert {*named, "envoy.yaml"} == {path.name for path in tmp_path.iterdir()}


def test_reasons_in_envoys_own_answers_are_in_the_catalogue() -> None:
    reasons = set(re.findall(r"reason: ([A-Z_]+)", render(COMPOSE)))

    assert reasons
    assert reasons <= set(error_reason_pb2.ErrorReason.keys())


async def test_healthz_follows_the_health_of_payments(tmp_path: Path) -> None:
    with ports.claimed(["payments"]) as claimed:
        await _health_is_followed(tmp_path, claimed["payments"])


async def _health_is_followed(folder: Path, port: int) -> None:
    async with (
        run_envoy(folder, port, Backend()) as gateway,
        aiohttp.ClientSession(gateway.rest) as http,
    ):
        async with http.get("/healthz") as response:
            body = await response.json()
            assert (response.status, body["code"]) == (503, 14)
        async with http.get("/api/payments") as response:
            body = await response.json()
            assert (response.status, response.headers["retry-after"]) == (503, "1")
            assert body["details"][0]["reason"] == "SERVICE_UNAVAILABLE"

        server = await start_backend(gateway.backend, port)
        async with asyncio.timeout(START_SECONDS):
            while True:
                async with http.get("/healthz") as response:
                    if response.status == 200:
                        assert await response.json() == {"status": "ok"}
                        break
        await server.stop(0)


async def test_call_beyond_the_bound_is_refused_as_overloaded(tmp_path: Path) -> None:
    waiting, answers = asyncio.Semaphore(0), asyncio.Event()

    async def in_time(request: Any, context: Any) -> payments_pb2.Payment:
        waiting.release()
        await answers.wait()
        return await created(request, context)

    backend = Backend(answer=in_time)
    server = await start_backend(backend)
    async with (
        run_envoy(tmp_path, server.port, backend, calls_max=2) as gateway,
        aiohttp.ClientSession(gateway.rest) as http,
        asyncio.TaskGroup() as group,
    ):
        first = [group.create_task(_post(http)) for _ in range(2)]
        for _ in first:
            await waiting.acquire()
        async with http.post("/api/payments", json={}) as response:
            body = await response.json()
            assert (response.status, response.headers["retry-after"]) == (429, "1")
            assert body["code"] == 8
            assert body["details"][0]["reason"] == "OVERLOADED"
            assert body["details"][1]["retry_delay"] == "1s"
        answers.set()
    await server.stop(0)

    assert [call.result() for call in first] == [201, 201]


async def _post(http: aiohttp.ClientSession) -> int:
    async with http.post("/api/payments", json={}) as response:
        return response.status


DOCS = {
    "/docs": "text/html",
    "/docs/start.js": "text/javascript",
    "/docs/swagger-ui-bundle.js": "text/javascript",
    "/docs/swagger-ui.css": "text/css",
}


@pytest.mark.parametrize(("path", "content_type"), DOCS.items())
async def test_documentation_is_served(
    gateway: Gateway, http: aiohttp.ClientSession, path: str, content_type: str
) -> None:
    async with http.get(path) as response:
        assert (response.status, response.content_type) == (200, content_type)
        assert await response.text()


async def test_large_documentation_is_compressed(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.get("/docs/swagger-ui-bundle.js") as response:
        assert response.headers["content-encoding"] == "gzip"


async def test_openapi_is_served_whole(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    async with http.get("/openapi.json") as response:
        assert json.loads(await response.text()) == json.loads(OPENAPI.read_text())


async def test_root_path_leads_to_the_documentation(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.get("/") as response:
        assert (response.status, response.url.path) == (200, "/docs")


def test_only_the_public_listeners_believe_a_proxy() -> None:
    """Operators reach theirs without it, and could else name any address as their own."""
    written = render(replace(COMPOSE, proxies=1))

    hops = re.findall(r"stat_prefix: (\S+)|xff_num_trusted_hops: (\d+)", written)
    name, found = "", {}
    for prefix, number in hops:
        name = prefix.strip('"') or name
        if number:
            found[name] = int(number)
    assert found == {"rest": 1, "grpc": 1, "operators": 0, "operators_grpc": 0}
