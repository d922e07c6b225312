"""Money moves for a worker alone: real connections with every certificate there is, in front of the
simulator, whose book says whether money moved."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from caravel.providers.v1 import providers_pb2, providers_pb2_grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from deploy.authority import Authority, issue, new_authority, write_identity
from services.providers.assembly import assemble
from services.providers.config import Config
from services.shared.certificates import Certificate, files_in
from services.shared.identity import Identity
from services.shared.money import Money
from tests.contract.cases import CASES
from tests.contract.lab import Lab, provider_environment, running_lab
from tests.identities import channel_with
from tests.wire.providers.service import message

WALLET = CASES["local_wallet"]
# Of all that has a certificate in the mesh.
NOT_A_WORKER = ("payments", "fees", "fx", "providers", "gateway", "operator")


@dataclass
class Running:
    """providers behind its certificate, and the simulator behind providers."""

    target: str
    authority: Authority
    lab: Lab

    async def execute(self, shown: Certificate | None, key: str) -> Any:
        """Asks for the largest payout there is; gives the results, or the error."""
        operation = message(WALLET.operation(key=key, amount=Money(99_999_999, "INR")))
        request = providers_pb2.ExecuteRequest(operations=[operation])
        async with channel_with(shown, "providers", self.target) as channel:
            stub: Any = providers_pb2_grpc.ProviderServiceStub(channel)
            try:
                return [result async for result in stub.Execute(request, timeout=20)]
            except grpc.aio.AioRpcError as error:
                return error


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    authority = new_authority()
    write_identity(tmp_path, *issue(authority, "providers"), authority.pem)
    identity = Identity(files_in(tmp_path), "providers")
    async with running_lab(tmp_path / "book.jsonl") as lab:
        config = Config.load(provider_environment(lab.url))
        async with assemble(config, identity) as server:
            await server.start("127.0.0.1", 0)
            yield Running(f"127.0.0.1:{server.port}", authority, lab)
            await server.stop(0)


def certificate(by: Authority, service: str, trusts: bytes, **options: Any) -> Certificate:
    key, pem = issue(by, service, **options)
    ends = datetime.now(UTC)
    return Certificate(
        service=service, expires_at=ends, certificate=pem, key=key, authorities=trusts
    )


async def test_a_worker_moves_money(running: Running) -> None:
    """So that the refusals below are of the caller, and of nothing else."""
    worker = certificate(running.authority, "worker", running.authority.pem)

    [result] = await running.execute(worker, "allowed")

    assert result.outcome in (providers_pb2.PENDING, providers_pb2.SUCCEEDED)
    assert await running.lab.book("allowed")


@pytest.mark.parametrize("service", NOT_A_WORKER)
async def test_nobody_else_in_the_mesh_does(running: Running, service: str) -> None:
    other = certificate(running.authority, service, running.authority.pem)

    refused = await running.execute(other, "refused")

    assert refused.code() is grpc.StatusCode.PERMISSION_DENIED
    status = rpc_status.from_call(refused)
    assert status is not None
    said = ErrorInfo()
    assert status.details[0].Unpack(said)
    assert (said.reason, dict(said.metadata)) == ("SERVICE_NOT_ALLOWED", {"service": service})
    assert await running.lab.book("refused") == []


@pytest.mark.parametrize("stranger", ["foreign", "expired", "none", "in the clear"])
async def test_nobody_from_outside_does(running: Running, stranger: str) -> None:
    own = running.authority
    long_ago = datetime.now(UTC) - timedelta(days=30)
    if stranger == "in the clear":
        async with grpc.aio.insecure_channel(running.target) as channel:
            stub: Any = providers_pb2_grpc.ProviderServiceStub(channel)
            operation = message(WALLET.operation(key="refused"))
            request = providers_pb2.ExecuteRequest(operations=[operation])
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                _ = [result async for result in stub.Execute(request, timeout=20)]
        refused: Any = failed.value
    else:
        shown = {
            "foreign": certificate(new_authority(), "worker", own.pem),
            "expired": certificate(own, "worker", own.pem, now=long_ago),
            "none": None,
        }
        refused = await running.execute(shown[stranger], "refused")

    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert await running.lab.book("refused") == []
