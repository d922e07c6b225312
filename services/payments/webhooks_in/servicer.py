"""The RPCs by which providers' webhooks come in: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import webhooks_pb2, webhooks_pb2_grpc

from services.payments.webhooks_in import convert
from services.payments.webhooks_in.usecases import Webhooks
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class WebhookServicer(webhooks_pb2_grpc.WebhookServiceServicer):
    """caravel.payments.v1.WebhookService."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            webhooks_pb2_grpc.add_WebhookServiceServicer_to_server,
            self,
            "caravel.payments.v1.WebhookService",
        )

    async def ReceiveEvent(  # noqa: N802 - the contract's name
        self, request: webhooks_pb2.ReceiveEventRequest, context: Context
    ) -> webhooks_pb2.WebhookReceipt:
        """See webhooks.proto."""
        receipt, event = await self._webhooks.receive_event(
            convert.read_headers(context.invocation_metadata() or ()), request.body.data
        )
        return convert.write_receipt(receipt, event)

    async def ReceiveProviderEvent(  # noqa: N802 - the contract's name
        self, request: webhooks_pb2.ReceiveProviderEventRequest, context: Context
    ) -> webhooks_pb2.WebhookReceipt:
        """See webhooks.proto."""
        receipt, event = await self._webhooks.receive_provider_event(
            request.provider,
            convert.read_headers(context.invocation_metadata() or ()),
            request.body.data,
        )
        return convert.write_receipt(receipt, event)
