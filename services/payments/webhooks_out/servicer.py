"""The RPCs of merchants' webhook endpoints: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import endpoints_pb2, endpoints_pb2_grpc

from services.payments.merchants.authoriser import acting_merchant
from services.payments.model.endpoint import Endpoint, UnreadableEndpoint
from services.payments.webhooks_out import convert
from services.payments.webhooks_out.usecases import Endpoints
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class EndpointServicer(endpoints_pb2_grpc.EndpointServiceServicer):
    """caravel.payments.v1.EndpointService."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            endpoints_pb2_grpc.add_EndpointServiceServicer_to_server,
            self,
            "caravel.payments.v1.EndpointService",
        )

    async def CreateEndpoint(  # noqa: N802 - the contract's name
        self, request: endpoints_pb2.CreateEndpointRequest, context: Context
    ) -> endpoints_pb2.NewEndpoint:
        """See endpoints.proto."""
        endpoint = await self._endpoints.create(acting_merchant(), request.url)
        return convert.write_new_endpoint(endpoint)

    async def ListEndpoints(  # noqa: N802 - the contract's name
        self, request: endpoints_pb2.ListEndpointsRequest, context: Context
    ) -> endpoints_pb2.ListEndpointsResponse:
        """See endpoints.proto."""
        endpoints = await self._endpoints.list(acting_merchant())
        return endpoints_pb2.ListEndpointsResponse(
            endpoints=[
                convert.write_endpoint(one) for one in endpoints if isinstance(one, Endpoint)
            ],
            unreadable_endpoint_ids=[
                one.endpoint_id for one in endpoints if isinstance(one, UnreadableEndpoint)
            ],
        )

    async def DeleteEndpoint(  # noqa: N802 - the contract's name
        self, request: endpoints_pb2.DeleteEndpointRequest, context: Context
    ) -> endpoints_pb2.DeleteEndpointResponse:
        """See endpoints.proto."""
        await self._endpoints.delete(acting_merchant(), request.endpoint_id)
        return endpoints_pb2.DeleteEndpointResponse()
