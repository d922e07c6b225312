"""One mesh for the ring: the one that CARAVEL_REST_URL and CARAVEL_GRPC_TARGET name, and for
operators CARAVEL_OPERATORS_URL and CARAVEL_OPERATORS_GRPC_TARGET; or else one that `./caravel up`
starts here, on free ports and in a folder of its own."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from deploy.local.mesh import database, ports, state
from deploy.local.mesh.credentials import load_or_make
from deploy.local.mesh.state import DataDir
from tests.collector import Collector, collecting
from tests.conftest import ROOT
from tests.polling import until
from tests.tools import go_tool

CARAVEL = ROOT / "caravel"
START_SECONDS = 120
# A port of its own for each of its listeners.
PORT_FLAGS = ("--port", "--grpc-port", "--operators-port", "--operators-grpc-port")
GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"


@dataclass(frozen=True, eq=False)
class Mesh:
    """Where a running mesh listens, and its data folder where it is ours."""

    rest_url: str
    grpc_target: str
    operators_url: str
    operators_grpc_target: str
    data_dir: Path | None
    simulator_url: str | None
    # Takes the spans of a mesh of ours.
    collector: Collector | None = None

    @property
    def status(self) -> Any:
        """The answer of `status --json`, where the mesh is ours."""
        return json.loads(_caravel("status", "--json", "--data-dir", str(self.data_dir)))


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """The mesh of the run."""
    rest_url = os.environ.get("CARAVEL_REST_URL")
    if rest_url:
        yield Mesh(
            rest_url=rest_url,
            grpc_target=os.environ.get("CARAVEL_GRPC_TARGET", "127.0.0.1:9090"),
            operators_url=os.environ.get("CARAVEL_OPERATORS_URL", "http://127.0.0.1:8081"),
            operators_grpc_target=os.environ.get("CARAVEL_OPERATORS_GRPC_TARGET", "127.0.0.1:9091"),
            data_dir=None,
            simulator_url=None,
        )
        return
    data_dir = tmp_path_factory.mktemp("mesh") / "data"
    folder = ["--data-dir", str(data_dir)]
    with ports.claimed(PORT_FLAGS) as claimed, collecting() as collector:
        listen = [word for flag, port in claimed.items() for word in (flag, str(port))]
        try:
            traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
            _caravel("up", "--detach", *folder, *listen, **traced)
            urls = json.loads(_caravel("status", "--json", *folder))["urls"]
            yield Mesh(
                rest_url=urls["rest"],
                grpc_target=urls["grpc"],
                operators_url=urls["operators"],
                operators_grpc_target=urls["operators_grpc"],
                data_dir=data_dir,
                simulator_url=urls["simulator"],
                collector=collector,
            )
        finally:
            _caravel("down", "--delete", *folder)


def _caravel(*words: str, **variables: str) -> str:
    """Runs ./caravel to its end, which has to be a good one; what it said."""
    run = subprocess.run(
        [CARAVEL, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    # Asserted, so that whoever reads the failure reads the reason.
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


async def carried_out(mesh: Mesh, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command on the folder of the mesh that the ring has started, at its end, a good one or
    not."""
    return await asyncio.to_thread(
        subprocess.run,
        [CARAVEL, *words, "--data-dir", str(mesh.data_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def owner_url(mesh: Mesh) -> str:
    """The address of the database of the mesh that the ring has started, for its owner."""
    assert mesh.data_dir is not None
    folder = DataDir.at(mesh.data_dir)
    running = state.read(folder.state)
    assert running is not None
    port = running.process("postgresql").port
    assert port is not None
    return database.own_cluster(folder, load_or_make(folder.credentials)).owner_url(port)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason of a refusal, from the one ErrorInfo it must carry."""
        infos = [d for d in self.json["details"] if d["@type"].endswith("google.rpc.ErrorInfo")]
        assert len(infos) == 1
        return str(infos[0]["reason"])


class Rest:
    """A REST client that says what it wants in one line."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(
        self,
        method: str,
        path: str | URL,
        body: Any = None,
        *,
        key: str | None = None,
        **headers: str,
    ) -> Answer:
        """Sends a request; a body that is text or bytes goes out as it is."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["idempotency-key"] = key
        if body is not None:
            sent.setdefault("content-type", "application/json")
            body = body if isinstance(body, str | bytes) else json.dumps(body)
        async with self._session.request(method, path, data=body, headers=sent) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str | URL, **headers: str) -> Answer:
        """GET."""
        return await self.send("GET", path, **headers)

    async def post(
        self, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> Answer:
        """POST."""
        return await self.send("POST", path, body, key=key, **headers)

    async def say(self, path: str, body: Any) -> Answer:
        """An operator's verb, repeated while a worker has the payment, as PAYMENT_BUSY asks for."""
        return await until(lambda: self.post(path, body), lambda answer: answer.status != 409)

    async def create(self, **changes: Any) -> Any:
        """A new payment; gives its JSON."""
        body = {"user_id": str(uuid4()), "amount_usd": "100.00", "destination_currency": "INR"}
        answer = await self.post("/api/payments", {**body, **changes}, key=uuid4().hex)
        assert answer.status == 201, answer.body
        return answer.json

    async def wait(self, transaction_id: str, statuses: set[str]) -> Any:
        """Watches a payment until it has one of these statuses; gives its JSON."""

        async def look() -> Any:
            return (await self.get(f"/api/payments/{transaction_id}")).json

        return await until(look, lambda payment: payment["status"] in statuses)

    async def events(self, transaction_id: str) -> list[Any]:
        """The history of a payment."""
        answer = await self.get(f"/api/payments/{transaction_id}/events")
        assert answer.status == 200
        return list(answer.json["events"])


@pytest.fixture
async def rest(mesh: Mesh) -> AsyncIterator[Rest]:
    """A client of the mesh's gateway."""
    async with aiohttp.ClientSession(mesh.rest_url) as session:
        yield Rest(session)


@pytest.fixture
async def operators(mesh: Mesh) -> AsyncIterator[Rest]:
    """A client of the operators' listener."""
    async with aiohttp.ClientSession(mesh.operators_url) as session:
        yield Rest(session)


@pytest.fixture(scope="session")
def grpcurl() -> Path:
    """The real tool, built once by the Go toolchain where there is one."""
    return go_tool(GRPCURL)
