"""The RPCs of payments, refunds, quotes and corridors: convert, call, convert. Authentication,
errors, logs and timing are shared.grpc_server's; each call's meaning is in the file of its verb."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from caravel.payments.v1 import (
    checks_pb2,
    corrections_pb2,
    history_pb2,
    payments_pb2,
    payments_pb2_grpc,
    refunds_pb2,
    refunds_pb2_grpc,
    scoreboard_pb2,
)

from services.payments.base.convert import (
    write_event,
    write_payment,
    write_refund,
    write_scoreboard,
)
from services.payments.base.idempotency import REPLAYED, Created, read_idempotency_key
from services.payments.merchants.authoriser import acting_merchant
from services.payments.model.payment import (
    Payment,
    RecordedEvent,
    UnreadableEvent,
    UnreadablePayment,
)
from services.payments.orders import convert
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.checking import CheckedCreation, Checking
from services.payments.orders.correcting import Correcting
from services.payments.orders.creation import Creation
from services.payments.orders.payees import Payees
from services.payments.orders.quotes import Quotes
from services.payments.orders.reading import Reading
from services.payments.orders.refunds import Refunds
from services.payments.orders.scoreboard import Scoreboards
from services.shared import tracing
from services.shared.grpc_server import GrpcServer
from services.shared.telemetry import trace_id_var

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Priced:
    """The calls' parts that are made of corridors, all of one version."""

    payees: Payees
    creation: Creation
    quotes: Quotes
    correcting: Correcting
    scoreboards: Scoreboards


class PaymentServicer(payments_pb2_grpc.PaymentServiceServicer):
    """caravel.payments.v1.PaymentService."""

    def __init__(
        self,
        creation: CheckedCreation,
        reading: Reading,
        *,
        cancelling: Cancelling,
        checking: Checking,
        priced: Callable[[], Awaitable[Priced]],
    ) -> None:
        """`priced` gives the parts of the version that counts; it raises Unavailable."""
        self._creation = creation
        self._reading = reading
        self._cancelling = cancelling
        self._checking = checking
        self._priced = priced

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            payments_pb2_grpc.add_PaymentServiceServicer_to_server,
            self,
            "caravel.payments.v1.PaymentService",
        )

    async def CreatePayment(  # noqa: N802 - the contract's name
        self, request: payments_pb2.CreatePaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See payments.proto."""
        tracing.begin_root()
        order = convert.read_payment_order(
            request,
            (await self._priced()).payees,
            key=read_idempotency_key(context.invocation_metadata() or ()),
            merchant_id=acting_merchant(),
            trace_id=trace_id_var.get(),
        )
        return payments_pb2.Payment.FromString(
            await _answered(await self._creation.create(order), context)
        )

    async def GetPayment(  # noqa: N802 - the contract's name
        self, request: payments_pb2.GetPaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See payments.proto."""
        payment = await self._reading.payment(acting_merchant(), request.transaction_id)
        return write_payment(payment)

    async def ListPayments(  # noqa: N802 - the contract's name
        self, request: payments_pb2.ListPaymentsRequest, context: Context
    ) -> payments_pb2.ListPaymentsResponse:
        """See payments.proto."""
        wanted, before, limit = convert.read_list_request(request)
        page, rest = await self._reading.payments(
            acting_merchant(), wanted, before=before, limit=limit
        )
        return payments_pb2.ListPaymentsResponse(
            payments=[write_payment(one) for one in page if isinstance(one, Payment)],
            next_page_token=convert.write_page_token(request, rest),
            unreadable_transaction_ids=[
                one.transaction_id for one in page if isinstance(one, UnreadablePayment)
            ],
        )

    async def ListPaymentEvents(  # noqa: N802 - the contract's name
        self, request: history_pb2.ListPaymentEventsRequest, context: Context
    ) -> history_pb2.ListPaymentEventsResponse:
        """See payments.proto."""
        events = await self._reading.events(acting_merchant(), request.transaction_id)
        return history_pb2.ListPaymentEventsResponse(
            events=[write_event(one) for one in events if isinstance(one, RecordedEvent)],
            unreadable_sequences=[
                one.sequence for one in events if isinstance(one, UnreadableEvent)
            ],
        )

    async def CancelPayment(  # noqa: N802 - the contract's name
        self, request: payments_pb2.CancelPaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See payments.proto."""
        payment = await self._cancelling.cancel(acting_merchant(), request.transaction_id)
        return write_payment(payment)

    async def CorrectRecipient(  # noqa: N802 - the contract's name
        self, request: corrections_pb2.CorrectRecipientRequest, context: Context
    ) -> payments_pb2.Payment:
        """See payments.proto."""
        order = convert.read_correction_order(
            request,
            key=read_idempotency_key(context.invocation_metadata() or ()),
            merchant_id=acting_merchant(),
        )
        return payments_pb2.Payment.FromString(
            await _answered(await (await self._priced()).correcting.correct(order), context)
        )

    async def CreateQuote(  # noqa: N802 - the contract's name
        self, request: payments_pb2.CreateQuoteRequest, context: Context
    ) -> payments_pb2.Quote:
        """See payments.proto."""
        tracing.begin_root()
        priced = await self._priced()
        order = convert.read_quote_order(
            request,
            priced.payees,
            merchant_id=acting_merchant(),
            trace_id=trace_id_var.get(),
        )
        quote, now = await priced.quotes.create(order)
        return convert.write_quote(quote, now)

    async def GetQuote(  # noqa: N802 - the contract's name
        self, request: payments_pb2.GetQuoteRequest, context: Context
    ) -> payments_pb2.Quote:
        """See payments.proto."""
        quote, now = await self._reading.quote(acting_merchant(), request.quote_id)
        return convert.write_quote(quote, now)

    async def CheckRecipient(  # noqa: N802 - the contract's name
        self, request: checks_pb2.CheckRecipientRequest, context: Context
    ) -> checks_pb2.RecipientCheck:
        """See payments.proto."""
        payees = (await self._priced()).payees
        order = convert.read_check_order(request, payees)
        return convert.write_check(await self._checking.check(order, payees))

    async def ListCorridors(  # noqa: N802 - the contract's name
        self, request: payments_pb2.ListCorridorsRequest, context: Context
    ) -> payments_pb2.ListCorridorsResponse:
        """See payments.proto."""
        offers = await (await self._priced()).quotes.corridors(acting_merchant())
        return payments_pb2.ListCorridorsResponse(
            corridors=[convert.write_corridor(offer) for offer in offers]
        )

    async def GetScoreboard(  # noqa: N802 - the contract's name
        self, request: scoreboard_pb2.GetScoreboardRequest, context: Context
    ) -> scoreboard_pb2.Scoreboard:
        """See payments.proto."""
        scoreboards = (await self._priced()).scoreboards
        return write_scoreboard(await scoreboards.of(acting_merchant(), request.corridor_id))


class RefundServicer(refunds_pb2_grpc.RefundServiceServicer):
    """caravel.payments.v1.RefundService."""

    def __init__(self, refunds: Refunds) -> None:
        self._refunds = refunds

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            refunds_pb2_grpc.add_RefundServiceServicer_to_server,
            self,
            "caravel.payments.v1.RefundService",
        )

    async def CreateRefund(  # noqa: N802 - the contract's name
        self, request: refunds_pb2.CreateRefundRequest, context: Context
    ) -> refunds_pb2.Refund:
        """See refunds.proto."""
        order = convert.read_refund_order(
            request,
            key=read_idempotency_key(context.invocation_metadata() or ()),
            merchant_id=acting_merchant(),
        )
        return refunds_pb2.Refund.FromString(
            await _answered(await self._refunds.create(order), context)
        )

    async def RetryRefund(  # noqa: N802 - the contract's name
        self, request: refunds_pb2.RetryRefundRequest, context: Context
    ) -> refunds_pb2.Refund:
        """See refunds.proto."""
        order = convert.read_retry_order(
            request,
            key=read_idempotency_key(context.invocation_metadata() or ()),
            merchant_id=acting_merchant(),
        )
        return refunds_pb2.Refund.FromString(
            await _answered(await self._refunds.retry(order), context)
        )

    async def ListRefunds(  # noqa: N802 - the contract's name
        self, request: refunds_pb2.ListRefundsRequest, context: Context
    ) -> refunds_pb2.ListRefundsResponse:
        """See refunds.proto."""
        payment, refunds = await self._refunds.of_payment(acting_merchant(), request.transaction_id)
        return refunds_pb2.ListRefundsResponse(
            refunds=[write_refund(refund, payment) for refund in refunds]
        )

    async def GetRefund(  # noqa: N802 - the contract's name
        self, request: refunds_pb2.GetRefundRequest, context: Context
    ) -> refunds_pb2.Refund:
        """See refunds.proto."""
        refund, payment = await self._refunds.get(acting_merchant(), request.refund_id)
        return write_refund(refund, payment)


async def _answered(created: Created, context: Context) -> bytes:
    """The answer's bytes; a header says where they were given before."""
    if created.replayed:
        await context.send_initial_metadata((REPLAYED,))
    return created.response
