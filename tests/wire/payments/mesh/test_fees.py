"""The question that is put to fees."""

from dataclasses import replace
from typing import Any

import grpc
from caravel.fees.v1 import fees_pb2, fees_pb2_grpc

from services.payments.mesh.fees import GrpcFees
from services.payments.mesh.ports import FeeQuery
from services.shared.grpc_server import GrpcServer
from services.shared.money import Money
from tests.fakes import no_files


class Recording(fees_pb2_grpc.FeeServiceServicer):
    """Keeps the queries that it gets, and answers none."""

    def __init__(self) -> None:
        self.queries: list[Any] = []

    async def CalculateFees(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.queries.extend(request.queries)
        return fees_pb2.CalculateFeesResponse()


async def test_a_fee_query_names_its_merchant_and_its_amount_or_its_net() -> None:
    asked, register = Recording(), fees_pb2_grpc.add_FeeServiceServicer_to_server
    by_amount = FeeQuery(
        corridor_id="us-in",
        merchant_id="sandbox",
        amount=Money(10_000, "USD"),
        trace_id="",
        corridors_version="v1",
    )
    server = GrpcServer()
    server.add(register, asked, "caravel.fees.v1.FeeService")
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        await GrpcFees(channel, no_files).calculate([by_amount, replace(by_amount, is_net=True)])
    await server.stop(0)

    first, second = asked.queries
    assert {query.merchant_id for query in asked.queries} == {"sandbox"}
    assert (first.amount.amount_minor, first.HasField("net_amount")) == (10_000, False)
    assert (second.net_amount.amount_minor, second.HasField("amount")) == (10_000, False)
