"""The whole life of a process, with fees as the example: it says when it serves, stops at a
signal, and says in one sentence why it cannot start."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.shared.deployment import Deployment
from services.shared.env import Settings
from services.shared.grpc_server import _serve
from tests.conftest import ROOT
from tests.identities import channel_as, identity_of, variables_of

PATIENCE_SECONDS = 30
GOOD = {
    "CORRIDORS_DIR": str(ROOT / "deploy" / "corridors"),
    "DEPLOYMENT": "sandbox",
    **variables_of("fees"),
}


@asynccontextmanager
async def process(**variables: str) -> AsyncIterator[Process]:
    """The service as an operating system starts it; gone after the block."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")])
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.fees"),
        env={"PYTHONPATH": path, **variables},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def next_line(running: Process) -> dict[str, Any]:
    """The next line of its log."""
    assert running.stdout
    line: dict[str, Any] = json.loads(await running.stdout.readline())
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_when_it_serves_and_ends_well_at_a_signal(number: signal.Signals) -> None:
    async with process(**GOOD, LOG_LEVEL="info") as running:
        serving = await next_line(running)
        async with channel_as("operator", "fees", f"127.0.0.1:{serving['port']}") as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)

        running.send_signal(number)
        stopped = await next_line(running)
        rest, complaints = await running.communicate()

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert (serving["event"], serving["service"]) == ("serving", "fees")
    assert stopped["event"] == "stopped"
    assert (running.returncode, rest, complaints) == (0, b"", b"")


async def complaint(**variables: str) -> str:
    """The text on standard error while it refuses to start."""
    async with process(**variables) as running:
        output, complaints = await running.communicate()
    assert (running.returncode, output) == (1, b"")
    return complaints.decode()


async def test_it_says_in_one_sentence_what_its_environment_lacks() -> None:
    said = await complaint(PORT="many")

    assert said.startswith("fees cannot start: the environment cannot be used: ")
    assert "PORT: " in said
    assert "CORRIDORS_DIR: field required" in said
    assert "MESH_KEY_FILE: field required (calls inside the mesh are mutual TLS" in said
    assert said.count("\n") == 1


async def test_it_says_in_one_sentence_that_live_rates_need_an_age_limit() -> None:
    said = await complaint(**{**GOOD, "DEPLOYMENT": "live"})

    assert said.startswith("fees cannot start: us-bd.toml: fx.sources names synthetic")
    assert "fx.maximum_age_hours is required where it is live" in said
    assert said.count("\n") == 1


async def test_it_says_in_one_sentence_that_its_port_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        said = await complaint(**GOOD, PORT=str(port))

    # gRPC has written a line of its own before it.
    assert said.splitlines()[-1] == (
        f"fees cannot start: cannot listen on 127.0.0.1:{port}: the port is in use"
    )
    assert "Traceback" not in said


async def test_it_says_in_one_sentence_that_the_port_of_its_metrics_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        said = await complaint(**GOOD, METRICS_PORT=str(port))

    assert said.startswith(f"fees cannot start: cannot publish metrics on 127.0.0.1:{port}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        (
            {"MESH_KEY_FILE": variables_of("fx")["MESH_KEY_FILE"]},
            f"the key in {variables_of('fx')['MESH_KEY_FILE']} is not that of the certificate in "
            f"{variables_of('fees')['MESH_CERTIFICATE_FILE']}",
        ),
        (
            {**variables_of("payments")},
            f"the certificate in {variables_of('payments')['MESH_CERTIFICATE_FILE']} is that of "
            "payments, and this process is fees",
        ),
        ({"MESH_AUTHORITY_FILE": "/nowhere"}, "/nowhere cannot be read (FileNotFoundError)"),
    ],
    ids=["another key", "another service", "no authority"],
)
async def test_it_says_in_one_sentence_why_its_certificate_is_no_use(
    variables: dict[str, str], why: str
) -> None:
    assert await complaint(**{**GOOD, **variables}) == f"fees cannot start: {why}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_process_that_still_waits_to_start(number: signal.Signals) -> None:
    waiting, left = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def never() -> AsyncIterator[Any]:
        waiting.set()
        try:
            await asyncio.Event().wait()
            yield
        finally:
            left.set()

    config = Settings(deployment=Deployment.SANDBOX)
    started = asyncio.create_task(_serve("fees", config, identity_of("fees"), never()))
    await waiting.wait()
    os.kill(os.getpid(), number)

    with pytest.raises(asyncio.CancelledError):
        await started
    assert left.is_set()
