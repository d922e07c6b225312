"""Envoy's admin page has no port, its figures are on one where nothing else is, and a flood of
connections is refused without harm."""

import asyncio
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.polling import until
from tests.unit.gateway.conftest import Backend, Gateway, run_envoy, start_backend

# Longer than the path of a socket may be.
LONG_NAME = "a folder with a name that is long " * 5
VERBS = ("quitquitquit", "healthcheck/fail", "drain_listeners", "logging?level=debug")
PAGES = ("config_dump", "stats", "certs", "server_info", "stats/prometheus", "metrics/../stats")
DESCRIPTORS = 160
_CONNECTED = re.compile(
    r'^envoy_http_downstream_cx_active\{envoy_http_conn_manager_prefix="rest"\} (\d+)$',
    re.MULTILINE,
)


@pytest.fixture
async def admin_free(tmp_path: Path) -> AsyncIterator[tuple[Gateway, Path]]:
    """A gateway in a folder with a long name, and the folder."""
    folder = tmp_path / LONG_NAME
    backend = Backend()
    server = await start_backend(backend)
    async with run_envoy(folder, server.port, backend) as gateway:
        yield gateway, folder
    await server.stop(0)


async def test_envoy_listens_on_its_five_ports_and_a_socket_of_its_own(
    admin_free: tuple[Gateway, Path],
) -> None:
    gateway, folder = admin_free
    (envoy,) = _with_children(gateway.pid, "envoy")
    listening = {
        one.laddr.port for one in envoy.net_connections("tcp") if one.status == psutil.CONN_LISTEN
    }

    assert len(listening) == 5
    mode = (folder / "admin.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def _with_children(pid: int, name: str) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [one for one in (process, *process.children(recursive=True)) if one.name() == name]


async def test_metrics_are_served(gateway: Gateway) -> None:
    async with aiohttp.ClientSession() as http, http.get(gateway.metrics) as response:
        text = await response.text()

    assert response.status == 200
    assert "# TYPE envoy_http_downstream_rq_total counter" in text


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
@pytest.mark.parametrize("page", [*VERBS, *PAGES, "metrics?filter=x", ""])
async def test_nothing_else_of_the_admin_page_is_reached(
    gateway: Gateway, method: str, page: str
) -> None:
    for root in (gateway.metrics.removesuffix("metrics"), f"{gateway.rest}/"):
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, root + page, allow_redirects=False) as response,
        ):
            assert response.status != 200

    async with aiohttp.ClientSession() as http, http.get(f"{gateway.rest}/healthz") as response:
        assert response.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_metrics_are_only_read(gateway: Gateway, method: str) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, gateway.metrics) as response,
    ):
        assert response.status == 404


async def test_connections_beyond_the_descriptors_are_refused_and_envoy_recovers(
    tmp_path: Path,
) -> None:
    backend = Backend()
    server = await start_backend(backend)
    async with run_envoy(tmp_path, server.port, backend, descriptors=DESCRIPTORS) as gateway:
        # The connection that showed that Envoy listens would free its place in the midst of these.
        await until(lambda: _connected(gateway), lambda count: count == 0)
        host, port = gateway.rest.removeprefix("http://").split(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(2 * DESCRIPTORS)]
        refused = 0
        for reader, _ in opened[DESCRIPTORS:]:
            refused += await _is_closed(reader)
        async with aiohttp.ClientSession() as http, http.get(gateway.metrics) as response:
            during = response.status
        for _, writer in opened:
            writer.close()

        assert refused == DESCRIPTORS
        assert during == 200
        await until(lambda: _answer(gateway), lambda status: status == 201)
    await server.stop(0)


async def _connected(gateway: Gateway) -> int | None:
    """How many connections callers of REST have."""
    async with aiohttp.ClientSession() as http, http.get(gateway.metrics) as response:
        found = _CONNECTED.search(await response.text())
    return int(found[1]) if found else None


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def _answer(gateway: Gateway) -> int:
    async with aiohttp.ClientSession() as http:
        try:
            async with http.post(f"{gateway.rest}/api/payments", json={}) as response:
                return response.status
        except aiohttp.ClientError:
            return 0


@pytest.mark.parametrize("path", ["/api/payments", "/api/payments/pay_1", "/no/such"])
@pytest.mark.parametrize("query", ["recipient=0690000040", "page_size=x0690000040", "0690000040"])
async def test_the_access_log_has_paths_without_their_queries(
    gateway: Gateway, path: str, query: str
) -> None:
    url = f"{gateway.rest}{path}?{query}"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        request_id = response.headers["x-request-id"]

    line = await gateway.log_line(request_id)
    assert line["path"] == path
    assert "0690000040" not in str(line)
