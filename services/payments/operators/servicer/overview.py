"""The operators' overview: call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import overview_pb2, overview_pb2_grpc

from services.payments.operators.convert.endpoints import read_endpoints_request, write_endpoints
from services.payments.operators.convert.overview import write_overview
from services.payments.operators.endpoints import EndpointHealth
from services.payments.operators.overview import Overviewing
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class OverviewServicer(overview_pb2_grpc.OverviewServiceServicer):
    """caravel.payments.v1.OverviewService."""

    def __init__(self, overviewing: Overviewing, endpoints: EndpointHealth) -> None:
        self._overviewing = overviewing
        self._endpoints = endpoints

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            overview_pb2_grpc.add_OverviewServiceServicer_to_server,
            self,
            "caravel.payments.v1.OverviewService",
        )

    async def GetOverview(  # noqa: N802 - the contract's name
        self, request: overview_pb2.GetOverviewRequest, context: Context
    ) -> overview_pb2.Overview:
        """See overview.proto."""
        return write_overview(await self._overviewing.current())

    async def ListMerchantEndpoints(  # noqa: N802 - the contract's name
        self, request: overview_pb2.ListMerchantEndpointsRequest, context: Context
    ) -> overview_pb2.ListMerchantEndpointsResponse:
        """See overview.proto."""
        merchant_id, before, limit = read_endpoints_request(request)
        page = await self._endpoints.page(merchant_id, before=before, limit=limit + 1)
        return write_endpoints(request, page, limit)
