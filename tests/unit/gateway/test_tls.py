"""TLS for clients: the certificate of a folder, followed as another one is moved there; and what a
container of the gateway refuses to start with."""

import asyncio
import os
import re
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.config import CONTAINER_CONFIGS, HERE, arguments, write
from tests.certificates import Authority
from tests.polling import until
from tests.unit.gateway.conftest import ENVOY, Backend, Gateway, run_envoy, start_backend

START = HERE / "start_container.sh"
AUTHORITY = Authority.make()


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    folder.mkdir()
    return folder


@pytest.fixture
async def secured(tmp_path: Path, certificates: Path) -> AsyncIterator[Gateway]:
    """A gateway with a certificate for this machine, before a healthy backend."""
    AUTHORITY.issue(certificates, "127.0.0.1", "localhost")
    backend = Backend()
    server = await start_backend(backend)
    files = tmp_path / "files"
    async with run_envoy(files, server.port, backend, clients_certificate=certificates) as running:
        yield running
    await server.stop(0)


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=AUTHORITY.pem.decode())


async def serial_number(address: str) -> int:
    """Of the certificate that a new connection is shown."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trusting())
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(shown).serial_number


async def test_every_public_listener_speaks_tls_and_none_plainly(secured: Gateway) -> None:
    https = secured.rest.replace("http:", "https:")
    async with aiohttp.ClientSession() as http:
        await until(lambda: _status(http, f"{https}/healthz"), (200).__eq__)
        for address in (secured.rest, secured.operators):
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"{address}/healthz")
    for target in (secured.grpc, secured.operators_grpc):
        credentials = grpc.ssl_channel_credentials(AUTHORITY.pem)
        async with grpc.aio.secure_channel(target, credentials) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_answers_by_rest_say_that_only_tls_is_spoken_here(secured: Gateway) -> None:
    async with aiohttp.ClientSession() as http:
        for address in (secured.rest, secured.operators):
            https = address.replace("http:", "https:")
            await until(partial(_status, http, f"{https}/healthz"), (200).__eq__)
            for path in ("/healthz", "/docs", "/api/nonsense", "/api/payments"):
                async with http.get(f"{https}{path}", ssl=trusting()) as answer:
                    said = answer.headers.getall("strict-transport-security")
                    assert said == ["max-age=31536000"], path


async def test_a_gateway_without_tls_says_nothing_of_it(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.get("/docs") as answer:
        assert "strict-transport-security" not in answer.headers


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url, ssl=trusting()) as answer:
        return answer.status


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1])
async def test_an_old_version_of_tls_is_refused(secured: Gateway, version: ssl.TLSVersion) -> None:
    old = trusting()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        old.minimum_version = old.maximum_version = version
    host, _, port = secured.rest.removeprefix("http://").rpartition(":")

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(host, int(port), ssl=old)


async def test_a_certificate_is_replaced_without_a_restart(
    secured: Gateway, certificates: Path
) -> None:
    before = {await serial_number(at) for at in (secured.rest, secured.grpc, secured.operators)}

    renewed = AUTHORITY.issue(certificates, "127.0.0.1", "localhost")

    assert renewed not in before and len(before) == 1
    for address in (secured.rest, secured.grpc, secured.operators):
        await until(partial(serial_number, address), renewed.__eq__)


async def test_a_certificate_that_is_of_no_use_leaves_the_one_before(
    secured: Gateway, certificates: Path
) -> None:
    before = await serial_number(secured.rest)
    beside = certificates / "beside"
    beside.write_text("no certificate")
    beside.replace(certificates / "tls.crt")
    assert await serial_number(secured.rest) == before

    renewed = AUTHORITY.issue(certificates, "127.0.0.1")

    await until(lambda: serial_number(secured.rest), renewed.__eq__)


@pytest.mark.parametrize("name", CONTAINER_CONFIGS)
async def test_envoy_accepts_each_configuration_of_a_container(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "certificate"
    folder.mkdir()
    AUTHORITY.issue(folder, "caravel.example")
    config = replace(
        CONTAINER_CONFIGS[name],
        files=tmp_path,
        clients_certificate=CONTAINER_CONFIGS[name].clients_certificate and folder,
    )
    file = write(config, tmp_path, name)
    process = await asyncio.create_subprocess_exec(
        *(ENVOY, "--mode", "validate"),
        *arguments(file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()


def start(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The start of a container; `echo` stands in the place of Envoy."""
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_CERTIFICATE": str(folder),
        "GATEWAY_FILES": "/files",
        **variables,
    }
    command = ["sh", str(START), "echo", "--log-level", "error"]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("deployment", ["sandbox", "staging", "live"])
@pytest.mark.parametrize(
    ("tls", "file"),
    [
        ("", "envoy.yaml"),
        ("none", "envoy.yaml"),
        ("own", "envoy-tls.yaml"),
        ("in-front", "envoy-behind-proxy.yaml"),
    ],
)
def test_a_container_starts_with_the_configuration_of_its_deployment(
    certificates: Path, deployment: str, tls: str, file: str
) -> None:
    AUTHORITY.issue(certificates, "caravel.example")

    started = start(certificates, DEPLOYMENT=deployment, GATEWAY_TLS=tls)

    if deployment == "live" and file == "envoy.yaml":
        assert started.returncode == 1
        assert started.stderr == (
            "gateway cannot start: GATEWAY_TLS must be own, with a certificate, or in-front, where "
            "a load balancer ends TLS, for DEPLOYMENT=live\n"
        )
    else:
        assert started.returncode == 0
        assert started.stdout.startswith(f"--config-path /files/{file} --log-level error ")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "DEPLOYMENT must be sandbox, staging or live"),
        ({"DEPLOYMENT": ""}, "DEPLOYMENT must be sandbox, staging or live"),
        ({"DEPLOYMENT": "Live"}, "DEPLOYMENT must be sandbox, staging or live"),
        ({"DEPLOYMENT": "live", "GATEWAY_TLS": "yes"}, "GATEWAY_TLS must be own, in-front or none"),
        ({"DEPLOYMENT": "live", "GATEWAY_TLS": "own"}, "tls.crt cannot be read; mount"),
        ({"DEPLOYMENT": "sandbox", "GATEWAY_TLS": "own"}, "tls.crt cannot be read; mount"),
    ],
)
def test_a_container_refuses_to_start_in_one_sentence(
    certificates: Path, variables: dict[str, str], words: str
) -> None:
    started = start(certificates, **variables)

    assert (started.returncode, started.stdout) == (1, "")
    assert started.stderr.startswith("gateway cannot start: ") and words in started.stderr
    assert started.stderr.count("\n") == 1


def test_a_certificate_without_its_key_is_refused(certificates: Path) -> None:
    AUTHORITY.issue(certificates, "caravel.example")
    (certificates / "tls.key").write_text("")

    started = start(certificates, DEPLOYMENT="live", GATEWAY_TLS="own")

    assert "tls.key cannot be read" in started.stderr


@pytest.mark.parametrize(
    ("share", "numerator"),
    [("", 1_000_000), ("1", 1_000_000), ("0.01", 10_000), ("0.5", 500_000), ("0", 0)],
)
def test_a_container_traces_where_a_collector_is_named(
    share: str, numerator: int, tmp_path: Path
) -> None:
    write(CONTAINER_CONFIGS["traced-envoy.yaml"], tmp_path, "traced-envoy.yaml")
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://tempo:14317"}
    more = {"GATEWAY_FILES": str(tmp_path), "TMPDIR": str(tmp_path)}

    started = start(tmp_path, DEPLOYMENT="sandbox", OTEL_TRACES_SAMPLER_ARG=share, **named, **more)

    assert f"--config-path {tmp_path}/envoy.yaml" in started.stdout, started.stderr
    text = (tmp_path / "envoy.yaml").read_text()
    assert '"address": "tempo", "port_value": 14317' in text
    assert {int(n) for n in re.findall(r'"sampling_percentage": {"numerator": (\d+)', text)} == {
        numerator
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://tempo:4317"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://tempo"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://tempo/s:1"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://t:1", "OTEL_TRACES_SAMPLER_ARG": "2"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://t:1", "OTEL_TRACES_SAMPLER_ARG": "0.0x"},
    ],
)
def test_a_container_refuses_a_collector_that_is_none(
    wrong: dict[str, str], tmp_path: Path
) -> None:
    refused = start(tmp_path, DEPLOYMENT="sandbox", **wrong)

    assert refused.returncode == 1
    assert re.match(r"gateway cannot start: OTEL_\w+ must be ", refused.stderr)
