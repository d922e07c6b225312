"""The RPCs about how prices were made: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import disclosures_pb2, disclosures_pb2_grpc
from google.api import httpbody_pb2

from services.payments.disclosures.convert import write_disclosure, write_explanation
from services.payments.disclosures.page import CONTENT_TYPE, HEADERS, page
from services.payments.disclosures.usecases import Disclosures
from services.payments.disclosures.wording import Worded
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

    async def GetQuoteDisclosure(  # noqa: N802 - the contract's name
        self, request: disclosures_pb2.GetQuoteDisclosureRequest, context: Context
    ) -> disclosures_pb2.Disclosure:
        """See disclosures.proto."""
        return write_disclosure(await self._of_quote(request.quote_id, request.locale))

    async def GetQuoteDisclosurePage(  # noqa: N802 - the contract's name
        self, request: disclosures_pb2.GetQuoteDisclosurePageRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        """See disclosures.proto."""
        return await _as_page(await self._of_quote(request.quote_id, request.locale), context)

    async def GetReceipt(  # noqa: N802 - the contract's name
        self, request: disclosures_pb2.GetReceiptRequest, context: Context
    ) -> disclosures_pb2.Disclosure:
        """See disclosures.proto."""
        return write_disclosure(await self._receipt(request.transaction_id, request.locale))

    async def GetReceiptPage(  # noqa: N802 - the contract's name
        self, request: disclosures_pb2.GetReceiptPageRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        """See disclosures.proto."""
        return await _as_page(await self._receipt(request.transaction_id, request.locale), context)

    async def _of_quote(self, quote_id: str, locale: str) -> Worded:
        return await self._disclosures.of_quote(acting_merchant(), quote_id, locale)

    async def _receipt(self, transaction_id: str, locale: str) -> Worded:
        return await self._disclosures.receipt(acting_merchant(), transaction_id, locale)


async def _as_page(worded: Worded, context: Context) -> httpbody_pb2.HttpBody:
    await context.send_initial_metadata(HEADERS)
    return httpbody_pb2.HttpBody(content_type=CONTENT_TYPE, data=page(worded))
