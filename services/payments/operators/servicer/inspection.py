"""The operators' RPCs that only look: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import (
    exposure_pb2,
    inspection_pb2,
    inspection_pb2_grpc,
    scoreboard_pb2,
)

from services.payments.base.convert import write_scoreboard
from services.payments.merchants.authoriser import acting_principal
from services.payments.operators.convert import inspection as convert
from services.payments.operators.convert.exposure import write_exposure
from services.payments.operators.exposure import ExposureWatch
from services.payments.operators.inspection import Inspecting
from services.payments.operators.ports import Measures
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class InspectionServicer(inspection_pb2_grpc.InspectionServiceServicer):
    """caravel.payments.v1.InspectionService."""

    def __init__(self, inspecting: Inspecting, exposure: ExposureWatch, measures: Measures) -> None:
        self._inspecting = inspecting
        self._exposure = exposure
        self._measures = measures

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            inspection_pb2_grpc.add_InspectionServiceServicer_to_server,
            self,
            "caravel.payments.v1.InspectionService",
        )

    async def GetOperator(  # noqa: N802 - the contract's name
        self, request: inspection_pb2.GetOperatorRequest, context: Context
    ) -> inspection_pb2.Operator:
        """See inspection.proto."""
        return convert.write_principal(acting_principal())

    async def InspectPayment(  # noqa: N802 - the contract's name
        self, request: inspection_pb2.InspectPaymentRequest, context: Context
    ) -> inspection_pb2.InspectedPayment:
        """See inspection.proto."""
        before_sequence = convert.read_before_sequence(request)
        inspected = await self._inspecting.payment(request.transaction_id, before_sequence)
        return convert.write_inspected(inspected, acting_principal())

    async def GetExposure(  # noqa: N802 - the contract's name
        self, request: exposure_pb2.GetExposureRequest, context: Context
    ) -> exposure_pb2.Exposure:
        """See inspection.proto."""
        return write_exposure(self._exposure.current)

    async def ListScoreboards(  # noqa: N802 - the contract's name
        self, request: scoreboard_pb2.ListScoreboardsRequest, context: Context
    ) -> scoreboard_pb2.ListScoreboardsResponse:
        """See inspection.proto."""
        return scoreboard_pb2.ListScoreboardsResponse(
            scoreboards=[write_scoreboard(one) for one in await self._measures.all()]
        )
