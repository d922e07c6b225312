"""The public RPCs: convert, call, convert. Authentication, errors, logs and timing are
shared.grpc_server's; what a call means is in usecases."""

from typing import Any

import grpc
from caravel.payments.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    endpoints_pb2,
    endpoints_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    webhooks_pb2,
    webhooks_pb2_grpc,
)

from services.payments import convert
from services.payments.auth import merchant_id_var
from services.payments.batcher import Batcher
from services.payments.domain.endpoint import Endpoint, UnreadableEndpoint
from services.payments.domain.operator import OperatorAction, UnreadableAction
from services.payments.domain.overdue import OverduePayment, UnreadableOverdue
from services.payments.domain.payment import (
    Payment,
    RecordedEvent,
    UnreadableEvent,
    UnreadablePayment,
)
from services.payments.endpoints import Endpoints
from services.payments.operating import Operating
from services.payments.pricing import Pricing
from services.payments.steering import Steering
from services.payments.usecases import Created, PaymentOrder, Reading
from services.payments.webhooks import Webhooks
from services.shared.telemetry import trace_id_var

REPLAYED = ("idempotent-replayed", "true")
Context = grpc.aio.ServicerContext[Any, Any]


class PaymentServicer(payments_pb2_grpc.PaymentServiceServicer):
    """caravel.payments.v1.PaymentService."""

    def __init__(
        self,
        creation: Batcher[PaymentOrder, Created],
        reading: Reading,
        steering: Steering,
        pricing: Pricing,
    ) -> None:
        self._creation = creation
        self._steering = steering
        self._reading = reading
        self._pricing = pricing

    async def CreatePayment(  # noqa: N802 - the contract's name
        self, request: payments_pb2.CreatePaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See payments.proto."""
        order = convert.read_payment_order(
            request,
            key=convert.read_idempotency_key(context.invocation_metadata() or ()),
            merchant_id=merchant_id_var.get(),
            trace_id=trace_id_var.get(),
        )
        created = await self._creation.submit(order)
        if created.replayed:
            await context.send_initial_metadata((REPLAYED,))
        return payments_pb2.Payment.FromString(created.response)

    async def GetPayment(  # noqa: N802 - the contract's name
        self, request: payments_pb2.GetPaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See payments.proto."""
        payment = await self._reading.payment(merchant_id_var.get(), request.transaction_id)
        return convert.write_payment(payment)

    async def ListPayments(  # noqa: N802 - the contract's name
        self, request: payments_pb2.ListPaymentsRequest, context: Context
    ) -> payments_pb2.ListPaymentsResponse:
        """See payments.proto."""
        wanted, before, limit = convert.read_list_request(request)
        page, rest = await self._reading.payments(
            merchant_id_var.get(), wanted, before=before, limit=limit
        )
        return payments_pb2.ListPaymentsResponse(
            payments=[convert.write_payment(one) for one in page if isinstance(one, Payment)],
            next_page_token=convert.write_page_token(request, rest),
            unreadable_transaction_ids=[
                one.transaction_id for one in page if isinstance(one, UnreadablePayment)
            ],
        )

    async def ListPaymentEvents(  # noqa: N802 - the contract's name
        self, request: payments_pb2.ListPaymentEventsRequest, context: Context
    ) -> payments_pb2.ListPaymentEventsResponse:
        """See payments.proto."""
        events = await self._reading.events(merchant_id_var.get(), request.transaction_id)
        return payments_pb2.ListPaymentEventsResponse(
            events=[convert.write_event(one) for one in events if isinstance(one, RecordedEvent)],
            unreadable_sequences=[
                one.sequence for one in events if isinstance(one, UnreadableEvent)
            ],
        )

    async def CancelPayment(  # noqa: N802 - the contract's name
        self, request: payments_pb2.CancelPaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See payments.proto."""
        payment = await self._steering.cancel(merchant_id_var.get(), request.transaction_id)
        return convert.write_payment(payment)

    async def RefundPayment(  # noqa: N802 - the contract's name
        self, request: payments_pb2.RefundPaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See payments.proto."""
        order = convert.read_refund_order(
            request,
            key=convert.read_idempotency_key(context.invocation_metadata() or ()),
            merchant_id=merchant_id_var.get(),
        )
        refunded = await self._steering.refund(order)
        if refunded.replayed:
            await context.send_initial_metadata((REPLAYED,))
        return payments_pb2.Payment.FromString(refunded.response)

    async def CreateQuote(  # noqa: N802 - the contract's name
        self, request: payments_pb2.CreateQuoteRequest, context: Context
    ) -> payments_pb2.Quote:
        """See payments.proto."""
        order = convert.read_quote_order(
            request, merchant_id=merchant_id_var.get(), trace_id=trace_id_var.get()
        )
        quote, now = await self._reading.create_quote(order)
        return convert.write_quote(quote, now)

    async def GetQuote(  # noqa: N802 - the contract's name
        self, request: payments_pb2.GetQuoteRequest, context: Context
    ) -> payments_pb2.Quote:
        """See payments.proto."""
        quote, now = await self._reading.quote(merchant_id_var.get(), request.quote_id)
        return convert.write_quote(quote, now)

    async def ListCorridors(  # noqa: N802 - the contract's name
        self, request: payments_pb2.ListCorridorsRequest, context: Context
    ) -> payments_pb2.ListCorridorsResponse:
        """See payments.proto."""
        offers = await self._pricing.indicative()
        return payments_pb2.ListCorridorsResponse(
            corridors=[convert.write_corridor(corridor, trail) for corridor, trail in offers]
        )


class WebhookServicer(webhooks_pb2_grpc.WebhookServiceServicer):
    """caravel.payments.v1.WebhookService."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

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


class EndpointServicer(endpoints_pb2_grpc.EndpointServiceServicer):
    """caravel.payments.v1.EndpointService."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def CreateEndpoint(  # noqa: N802 - the contract's name
        self, request: endpoints_pb2.CreateEndpointRequest, context: Context
    ) -> endpoints_pb2.NewEndpoint:
        """See endpoints.proto."""
        endpoint = await self._endpoints.create(merchant_id_var.get(), request.url)
        return convert.write_new_endpoint(endpoint)

    async def ListEndpoints(  # noqa: N802 - the contract's name
        self, request: endpoints_pb2.ListEndpointsRequest, context: Context
    ) -> endpoints_pb2.ListEndpointsResponse:
        """See endpoints.proto."""
        endpoints = await self._endpoints.list(merchant_id_var.get())
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
        await self._endpoints.delete(merchant_id_var.get(), request.endpoint_id)
        return endpoints_pb2.DeleteEndpointResponse()


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """caravel.payments.v1.AdminService."""

    def __init__(self, operating: Operating) -> None:
        self._operating = operating

    async def ListDeadLetters(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListDeadLettersRequest, context: Context
    ) -> admin_pb2.ListDeadLettersResponse:
        """See admin.proto."""
        wanted, limit = convert.read_letters_request(request)
        page, last = await self._operating.dead_letters(merchant_id_var.get(), wanted, limit=limit)
        return admin_pb2.ListDeadLettersResponse(
            dead_letters=[convert.write_letter(letter) for letter in page],
            next_page_token=convert.write_letters_token(wanted, last),
        )

    async def RequeueDeadLetter(  # noqa: N802 - the contract's name
        self, request: admin_pb2.RequeueDeadLetterRequest, context: Context
    ) -> admin_pb2.OperatorAction:
        """See admin.proto."""
        action = await self._operating.requeue(
            merchant_id_var.get(), request.dead_letter_id, convert.read_operator(request)
        )
        return convert.write_action(action)

    async def DiscardDeadLetter(  # noqa: N802 - the contract's name
        self, request: admin_pb2.DiscardDeadLetterRequest, context: Context
    ) -> admin_pb2.OperatorAction:
        """See admin.proto."""
        action = await self._operating.discard(
            merchant_id_var.get(), request.dead_letter_id, convert.read_operator(request)
        )
        return convert.write_action(action)

    async def ReleaseHold(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ReleaseHoldRequest, context: Context
    ) -> payments_pb2.Payment:
        """See admin.proto."""
        payment = await self._operating.release(
            merchant_id_var.get(),
            request.transaction_id,
            convert.read_operator(request),
            at_locked_rate=request.honour_locked_rate,
        )
        return convert.write_payment(payment)

    async def ResolveAttempt(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ResolveAttemptRequest, context: Context
    ) -> payments_pb2.Payment:
        """See admin.proto."""
        operator, answer, evidence = convert.read_resolution(request)
        payment = await self._operating.resolve(
            merchant_id_var.get(), request.transaction_id, operator, answer, evidence=evidence
        )
        return convert.write_payment(payment)

    async def ListOverduePayments(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListOverduePaymentsRequest, context: Context
    ) -> admin_pb2.ListOverduePaymentsResponse:
        """See admin.proto."""
        after, limit = convert.read_overdue_request(request)
        page, last = await self._operating.overdue(merchant_id_var.get(), after=after, limit=limit)
        return admin_pb2.ListOverduePaymentsResponse(
            payments=[
                convert.write_overdue(one) for one in page if isinstance(one, OverduePayment)
            ],
            next_page_token=convert.write_overdue_token(last),
            unreadable_transaction_ids=[
                one.transaction_id for one in page if isinstance(one, UnreadableOverdue)
            ],
        )

    async def ListOperatorActions(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListOperatorActionsRequest, context: Context
    ) -> admin_pb2.ListOperatorActionsResponse:
        """See admin.proto."""
        before, limit = convert.read_actions_request(request)
        page, last = await self._operating.actions(
            merchant_id_var.get(), before=before, limit=limit
        )
        return admin_pb2.ListOperatorActionsResponse(
            actions=[convert.write_action(one) for one in page if isinstance(one, OperatorAction)],
            next_page_token=convert.write_actions_token(last),
            unreadable_action_ids=[
                one.action_id for one in page if isinstance(one, UnreadableAction)
            ],
        )
