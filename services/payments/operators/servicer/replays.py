"""The operators' RPCs for replays and for many dead letters: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import replays_pb2, replays_pb2_grpc

from services.payments.merchants.authoriser import acting_principal
from services.payments.operators.convert import replays as convert
from services.payments.operators.replaying import Replaying
from services.payments.operators.usecases import Operating
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class ReplayServicer(replays_pb2_grpc.ReplayServiceServicer):
    """caravel.payments.v1.ReplayService."""

    def __init__(self, replaying: Replaying, operating: Operating) -> None:
        self._replaying = replaying
        self._operating = operating

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            replays_pb2_grpc.add_ReplayServiceServicer_to_server,
            self,
            "caravel.payments.v1.ReplayService",
        )

    async def ReplayDelivery(  # noqa: N802 - the contract's name
        self, request: replays_pb2.ReplayDeliveryRequest, context: Context
    ) -> replays_pb2.Replay:
        """See replays.proto."""
        before, operator = convert.read_delivery(request, acting_principal())
        replay = await self._replaying.delivery(request.delivery_id, before, operator)
        return convert.write_replay(replay)

    async def ReplayEndpoint(  # noqa: N802 - the contract's name
        self, request: replays_pb2.ReplayEndpointRequest, context: Context
    ) -> replays_pb2.Replay:
        """See replays.proto."""
        window, operator = convert.read_endpoint(request, acting_principal())
        replay = await self._replaying.endpoint(request.endpoint_id, window, operator)
        return convert.write_replay(replay)

    async def RequeueDeadLetters(  # noqa: N802 - the contract's name
        self, request: replays_pb2.RequeueDeadLettersRequest, context: Context
    ) -> replays_pb2.RequeueDeadLettersResponse:
        """See replays.proto."""
        wanted, operator = convert.read_requeued(request, acting_principal())
        requeued, last = await self._operating.requeue_all(wanted, operator)
        return convert.write_requeued(requeued, wanted, last)
