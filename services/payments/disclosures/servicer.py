"""The RPCs about how prices were made: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import disclosures_pb2, disclosures_pb2_grpc

from services.payments.disclosures.convert import write_explanation
from services.payments.disclosures.usecases import Disclosures
from services.payments.merchants.authoriser import acting_merchant
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class DisclosureServicer(disclosures_pb2_grpc.DisclosureServiceServicer):
    """caravel.payments.v1.DisclosureService."""

    def __init__(self, disclosures: Disclosures) -> None:
        self._disclosures = disclosures

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            disclosures_pb2_grpc.add_DisclosureServiceServicer_to_server,
            self,
            "caravel.payments.v1.DisclosureService",
        )

    async def ExplainQuote(  # noqa: N802 - the contract's name
        self, request: disclosures_pb2.ExplainQuoteRequest, context: Context
    ) -> disclosures_pb2.Explanation:
        """See disclosures.proto."""
        return write_explanation(
            await self._disclosures.explain_quote(acting_merchant(), request.quote_id)
        )

    async def ExplainPayment(  # noqa: N802 - the contract's name
        self, request: disclosures_pb2.ExplainPaymentRequest, context: Context
    ) -> disclosures_pb2.Explanation:
        """See disclosures.proto."""
        return write_explanation(
            await self._disclosures.explain_payment(acting_merchant(), request.transaction_id)
        )
