"""The fees service behind its port: convert, call, convert. The refusal of an item is a value."""

from collections.abc import Sequence

import grpc
from caravel.fees.v1 import fees_pb2, fees_pb2_grpc

from services.payments.mesh.calls import read_money, write_money
from services.payments.mesh.ports import FeeQuery
from services.payments.model.quote import FeeLine, Fees
from services.payments.model.timing import PRICING_CALL_SECONDS
from services.shared.errors import DomainError
from services.shared.grpc_client import call_metadata, refusals_as_errors
from services.shared.grpc_status import from_status


class GrpcFees:
    """The port FeeBook over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: fees_pb2_grpc.FeeServiceAsyncStub = fees_pb2_grpc.FeeServiceStub(channel)

    async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
        """See FeeBook.calculate."""
        request = fees_pb2.CalculateFeesRequest(queries=[_write_query(query) for query in queries])
        async with refusals_as_errors("fees"):
            response = await self._stub.CalculateFees(
                request, timeout=PRICING_CALL_SECONDS, metadata=call_metadata()
            )
        return [_read_fees(result) for result in response.results]


def _write_query(query: FeeQuery) -> fees_pb2.FeeQuery:
    given = write_money(query.amount)
    return fees_pb2.FeeQuery(
        corridor_id=query.corridor_id,
        merchant_id=query.merchant_id,
        amount=None if query.is_net else given,
        net_amount=given if query.is_net else None,
        trace_id=query.trace_id,
    )


def _read_fees(result: fees_pb2.FeeResult) -> Fees | DomainError:
    if result.HasField("error"):
        return from_status(result.error)
    return Fees(
        lines=tuple(
            FeeLine(name=line.name, amount=read_money(line.amount), formula=line.formula)
            for line in result.fees.lines
        ),
        schedule_version=result.fees.schedule_version,
        schedule_terms=result.fees.schedule_terms,
    )
