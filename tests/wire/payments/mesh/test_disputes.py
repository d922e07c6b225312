"""The question how a claim stands: its answer is the report, none, or no answer at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from caravel.providers.v1 import disputes_pb2, providers_pb2_grpc

from services.payments.mesh.providers import GrpcProviders
from services.payments.model.dispute import DisputeKind, DisputeReport, DisputeStatus
from services.shared.errors import NotFound, Unavailable
from services.shared.grpc_server import GrpcServer
from services.shared.money import Money
from tests.refusals import Missing

LOST = disputes_pb2.Dispute(
    kind=disputes_pb2.Dispute.DISPUTE,
    status=disputes_pb2.Dispute.LOST,
    provider_reference="du_1",
    reason="fraudulent",
    amount={"amount_minor": 900, "currency_code": "USD"},
    withdrawn={"amount_minor": 500, "currency_code": "USD"},
)
# Of a later release.
OF_ANOTHER_KIND = disputes_pb2.Dispute(kind=77, status=3)  # type: ignore[arg-type]
OF_ANOTHER_STATUS = disputes_pb2.Dispute(kind=1, status=77)  # type: ignore[arg-type]


class Providers(providers_pb2_grpc.ProviderServiceServicer):
    """Gives one answer, or raises it."""

    def __init__(self, answer: disputes_pb2.Dispute | Exception | None) -> None:
        self._answer = answer

    async def LookUpDispute(self, request: Any, context: Any) -> Any:  # noqa: N802
        if isinstance(self._answer, Exception):
            raise self._answer
        return disputes_pb2.LookUpDisputeResponse(dispute=self._answer)


@asynccontextmanager
async def _answering(
    answer: disputes_pb2.Dispute | Exception | None,
) -> AsyncIterator[GrpcProviders]:
    server = GrpcServer()
    register = providers_pb2_grpc.add_ProviderServiceServicer_to_server
    server.add(register, Providers(answer), "caravel.providers.v1.ProviderService")
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield GrpcProviders(channel)
    await server.stop(0)


async def test_the_answer_says_how_the_claim_stands() -> None:
    async with _answering(LOST) as providers:
        assert await providers.look_up_dispute("stripe", "du_1") == DisputeReport(
            kind=DisputeKind.DISPUTE,
            provider_reference="du_1",
            status=DisputeStatus.LOST,
            reason="fraudulent",
            amount=Money(900, "USD"),
            withdrawn=Money(500, "USD"),
            respond_by=None,
        )


async def test_a_claim_that_its_provider_does_not_have_is_none() -> None:
    async with _answering(None) as providers:
        assert await providers.look_up_dispute("stripe", "du_1") is None


@pytest.mark.parametrize("answer", [OF_ANOTHER_KIND, OF_ANOTHER_STATUS, Unavailable("away")])
async def test_an_answer_that_cannot_be_read_is_no_answer(
    answer: disputes_pb2.Dispute | Exception,
) -> None:
    async with _answering(answer) as providers:
        with pytest.raises(Unavailable):
            await providers.look_up_dispute("stripe", "du_1")


async def test_the_refusal_of_a_provider_that_cannot_be_asked_crosses_the_wire() -> None:
    async with _answering(Missing("no such provider", provider="acme")) as providers:
        with pytest.raises(NotFound):
            await providers.look_up_dispute("acme", "du_1")
