"""A real Envoy with our configuration, and scripted payments and webhooks behind it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from caravel.payments.v1 import (
    admin_pb2_grpc,
    corridor_versions_pb2_grpc,
    disclosures_pb2_grpc,
    endpoints_pb2_grpc,
    inspection_pb2_grpc,
    keys_pb2_grpc,
    merchants_pb2_grpc,
    operator_keys_pb2_grpc,
    overview_pb2_grpc,
    pauses_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    proposals_pb2_grpc,
    recovery_pb2_grpc,
    refunds_pb2_grpc,
    replays_pb2_grpc,
    search_pb2_grpc,
    tokens_pb2_grpc,
    verbs_pb2_grpc,
    webhooks_pb2_grpc,
)
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from deploy.local.mesh import ports
from gateway.config import SCRIPT_FILES, START, GatewayConfig, arguments, write
from gateway.contract import Listener
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity
from tests.identities import certificates, identity_of
from tests.polling import until

ENVOY = Path(sys.executable).parent / "envoy"
START_SECONDS = 20
PORTS = ("rest_port", "grpc_port", "operators_port", "operators_grpc_port", "metrics_port")

Answer = Callable[[Any, Any], Awaitable[Any]]


async def created(request: Any, context: Any) -> payments_pb2.Payment:
    """The answer of payments to a new payment."""
    return payments_pb2.Payment(
        transaction_id="pay_01jd8x3v9me7rb5k3n6q2f4h8z",
        status=payments_pb2.Payment.PENDING,
        amount_usd=request.amount_usd,
    )


@dataclass
class Backend:
    """The scripted services' answers to a new payment, and their requests."""

    answer: Answer = created
    # The refusal of the next request for a token, where there is one.
    refusal: Exception | None = None
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    seconds_left: list[float | None] = field(default_factory=list)
    # Of the gateway, as each call came with them.
    certificates: list[bytes] = field(default_factory=list)

    def note(self, request: Any, context: Any) -> None:
        """Keeps what arrived."""
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.seconds_left.append(context.time_remaining())
        self.certificates.append(context.auth_context()["x509_pem_cert"][0])


SERVICES = {
    "PaymentService": payments_pb2_grpc.add_PaymentServiceServicer_to_server,
    "RefundService": refunds_pb2_grpc.add_RefundServiceServicer_to_server,
    "DisclosureService": disclosures_pb2_grpc.add_DisclosureServiceServicer_to_server,
    "EndpointService": endpoints_pb2_grpc.add_EndpointServiceServicer_to_server,
    "AdminService": admin_pb2_grpc.add_AdminServiceServicer_to_server,
    "KeyService": keys_pb2_grpc.add_KeyServiceServicer_to_server,
    "MerchantService": merchants_pb2_grpc.add_MerchantServiceServicer_to_server,
    "InspectionService": inspection_pb2_grpc.add_InspectionServiceServicer_to_server,
    "OverviewService": overview_pb2_grpc.add_OverviewServiceServicer_to_server,
    "SearchService": search_pb2_grpc.add_SearchServiceServicer_to_server,
    "PauseService": pauses_pb2_grpc.add_PauseServiceServicer_to_server,
    "ReplayService": replays_pb2_grpc.add_ReplayServiceServicer_to_server,
    "VerbService": verbs_pb2_grpc.add_VerbServiceServicer_to_server,
    "CorridorVersionService": (
        corridor_versions_pb2_grpc.add_CorridorVersionServiceServicer_to_server
    ),
    "ProposalService": proposals_pb2_grpc.add_ProposalServiceServicer_to_server,
    "RecoveryService": recovery_pb2_grpc.add_RecoveryServiceServicer_to_server,
    "OperatorKeyService": operator_keys_pb2_grpc.add_OperatorKeyServiceServicer_to_server,
    "TokenService": tokens_pb2_grpc.add_TokenServiceServicer_to_server,
    "WebhookService": webhooks_pb2_grpc.add_WebhookServiceServicer_to_server,
}
PACKAGE = "caravel.payments.v1"


ECHOED = ("transaction_id", "quote_id", "amount_usd")


def scripted(backend: Backend, service: str) -> object:
    """A servicer that notes every call; its answer holds what was asked, as far as that fits."""
    methods = {
        method.name: _noting(backend, method)
        for method in descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.{service}").methods
    }
    return type(service, (), methods)()


def _noting(backend: Backend, method: MethodDescriptor) -> Any:
    response: Any = GetMessageClass(method.output_type)
    known = method.output_type.fields_by_name
    echoed = [name for name in ECHOED if name in known and name in method.input_type.fields_by_name]
    # The one answer that says nothing of the request: it was accepted.
    fixed = {"result": "ACCEPTED"} if method.name.startswith("Receive") else {}

    async def answer(_: object, request: Any, context: Any) -> Any:
        backend.note(request, context)
        if method.name == "IssueToken" and backend.refusal:
            raise backend.refusal
        if method.name == "CreatePayment":
            return await backend.answer(request, context)
        return response(**fixed, **{name: getattr(request, name) for name in echoed})

    return answer


@dataclass
class Gateway:
    """A running Envoy: where it listens, and what it wrote."""

    rest: str
    grpc: str
    operators: str
    operators_grpc: str
    metrics: str
    backend: Backend
    pid: int
    output: asyncio.StreamReader

    async def log_line(self, request_id: str) -> dict[str, Any]:
        """The access log's line of one request, awaited."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                line = json.loads(await self.output.readline())
                if line.get("request_id") == request_id:
                    return dict(line)


async def start_backend(
    backend: Backend, port: int = 0, identity: Identity | None = None, **options: Any
) -> GrpcServer:
    """The scripted services on a real port, healthy."""
    server = GrpcServer(identity=identity or identity_of("payments"), **options)
    for service, register in SERVICES.items():
        server.add(register, scripted(backend, service), f"{PACKAGE}.{service}")
    await server.start("127.0.0.1", port)
    await server.set_serving()
    return server


@asynccontextmanager
async def run_envoy(
    folder: Path,
    payments_port: int,
    backend: Backend,
    descriptors: int | None = None,
    script: str | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """Envoy with our own configuration in front of payments_port, listening when this yields.

    descriptors is how many it may have, where that is not as many as we. script is what stands in
    the place of rest.lua.
    """
    with ports.claimed(PORTS) as claimed:
        own = {"identity": certificates() / "gateway", **claimed, **settings}
        config = GatewayConfig(files=folder, payments_ports=(payments_port,), **own)
        async with _envoy(config, backend, descriptors, script) as gateway:
            yield gateway


@asynccontextmanager
async def _envoy(
    config: GatewayConfig, backend: Backend, descriptors: int | None, script: str | None
) -> AsyncIterator[Gateway]:
    file = write(config, config.files)
    if script:
        (config.files / SCRIPT_FILES[Listener.PUBLIC]).write_text(script)
    limited = ("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "-") if descriptors else ()
    process = await asyncio.create_subprocess_exec(
        *limited,
        *(START, ENVOY),
        *arguments(file, log_level="info"),
        cwd=config.files,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    drain = None
    try:
        opened = tuple(getattr(config, name) for name in PORTS)
        await _wait_until_listening(process.stderr, opened)
        drain = asyncio.create_task(process.stderr.read())
        yield Gateway(
            rest=f"http://127.0.0.1:{config.rest_port}",
            grpc=f"127.0.0.1:{config.grpc_port}",
            operators=f"http://127.0.0.1:{config.operators_port}",
            operators_grpc=f"127.0.0.1:{config.operators_grpc_port}",
            metrics=f"http://127.0.0.1:{config.metrics_port}/metrics",
            backend=backend,
            pid=process.pid,
            output=process.stdout,
        )
    finally:
        process.terminate()
        # It does not end before somebody has taken its log.
        await process.stdout.read()
        await process.wait()
        if drain:
            await drain


async def _wait_until_listening(log: asyncio.StreamReader, opened: tuple[int, ...]) -> None:
    said = []
    async with asyncio.timeout(START_SECONDS):
        while line := await log.readline():
            said.append(line.decode())
            if b"starting workers" in line:
                break
        else:
            raise AssertionError("Envoy did not start:\n" + "".join(said))
        # The workers open the ports a moment after the line that announces them.
        for port in opened:
            while not await _answers(port):
                pass


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def healthz(gateway: Gateway) -> int:
    """The gateway's answer about payments' health."""
    async with aiohttp.ClientSession() as http, http.get(f"{gateway.rest}/healthz") as response:
        return response.status


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    backend = Backend()
    server = await start_backend(backend)
    # A space in the path, because a checkout may have one.
    folder = tmp_path_factory.mktemp("gateway files")
    async with run_envoy(folder, server.port, backend) as gateway:
        await until(lambda: healthz(gateway), lambda status: status == 200)
        yield gateway
    await server.stop(0)


@pytest.fixture
def gateway(running: Gateway) -> Gateway:
    """The gateway, with its backend as new."""
    running.backend.answer = created
    running.backend.requests.clear()
    running.backend.metadata.clear()
    running.backend.seconds_left.clear()
    return running


@pytest.fixture(scope="session")
async def http(running: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=20)
    headers = {"content-type": "application/json"}
    async with aiohttp.ClientSession(running.rest, timeout=timeout, headers=headers) as session:
        yield session


@pytest.fixture(scope="session")
async def channel(running: Gateway) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(running.grpc) as channel:
        yield channel
