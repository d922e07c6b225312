"""The fees service behind its port: convert, call, convert. The refusal of an item is a value."""

from collections.abc import Sequence

import grpc
from caravel.common.v1.corridors_pb2 import CorridorsVersion
from caravel.fees.v1 import fees_pb2, fees_pb2_grpc

from services.payments.mesh.calls import read_money, write_money
from services.payments.mesh.ports import FeeQuery
from services.payments.mesh.versioned import Files, VersionedCalls, write_files
from services.payments.model.quote import FeeLine, Fees
from services.payments.model.timing import CORRIDORS_CALL_SECONDS, PRICING_CALL_SECONDS
from services.shared.corridors import CorridorFiles
from services.shared.errors import DomainError
from services.shared.grpc_client import call_metadata, refusals_as_errors
from services.shared.grpc_status import from_status


class GrpcFees:
    """The port FeeBook over gRPC."""

    def __init__(self, channel: grpc.aio.Channel, files: Files) -> None:
        self._versioned = VersionedCalls("fees", files)
        self._stub: fees_pb2_grpc.FeeServiceAsyncStub = fees_pb2_grpc.FeeServiceStub(channel)

    async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
        """See FeeBook.calculate."""
        written = [_write_query(query) for query in queries]

        async def call(corridors: CorridorsVersion) -> fees_pb2.CalculateFeesResponse:
            request = fees_pb2.CalculateFeesRequest(queries=written, corridors=corridors)
            async with refusals_as_errors("fees"):
                return await self._stub.CalculateFees(
                    request, timeout=PRICING_CALL_SECONDS, metadata=call_metadata()
                )

        response = await self._versioned.ask(queries, call)
        return [_read_fees(result) for result in response.results]

    async def check_corridors(self, files: CorridorFiles) -> None:
        """See CorridorCheck.check_corridors."""
        request = fees_pb2.CheckCorridorsRequest(files=write_files(files))
        async with refusals_as_errors("fees"):
            await self._stub.CheckCorridors(
                request, timeout=CORRIDORS_CALL_SECONDS, metadata=call_metadata()
            )


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
