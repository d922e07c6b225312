"""The operators' RPCs: convert, call, convert. The verbs are in usecases."""

from typing import Any

import grpc
from caravel.payments.v1 import admin_pb2, admin_pb2_grpc, payments_pb2

from services.payments.base.convert import write_dispute, write_payment
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.merchants.authoriser import acting_merchant
from services.payments.model.operator import OperatorAction, UnreadableAction
from services.payments.operators import convert
from services.payments.operators.usecases import Operating
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """caravel.payments.v1.AdminService."""

    def __init__(self, operating: Operating) -> None:
        self._operating = operating

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            admin_pb2_grpc.add_AdminServiceServicer_to_server,
            self,
            "caravel.payments.v1.AdminService",
        )

    async def ListDeadLetters(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListDeadLettersRequest, context: Context
    ) -> admin_pb2.ListDeadLettersResponse:
        """See admin.proto."""
        wanted, limit = convert.read_letters_request(request)
        page, last = await self._operating.dead_letters(acting_merchant(), wanted, limit=limit)
        return admin_pb2.ListDeadLettersResponse(
            dead_letters=[convert.write_letter(letter) for letter in page],
            next_page_token=convert.write_letters_token(wanted, last),
        )

    async def RequeueDeadLetter(  # noqa: N802 - the contract's name
        self, request: admin_pb2.RequeueDeadLetterRequest, context: Context
    ) -> admin_pb2.OperatorAction:
        """See admin.proto."""
        action = await self._operating.requeue(
            acting_merchant(), request.dead_letter_id, convert.read_operator(request)
        )
        return convert.write_action(action)

    async def DiscardDeadLetter(  # noqa: N802 - the contract's name
        self, request: admin_pb2.DiscardDeadLetterRequest, context: Context
    ) -> admin_pb2.OperatorAction:
        """See admin.proto."""
        action = await self._operating.discard(
            acting_merchant(), request.dead_letter_id, convert.read_operator(request)
        )
        return convert.write_action(action)

    async def ReleaseHold(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ReleaseHoldRequest, context: Context
    ) -> payments_pb2.Payment:
        """See admin.proto."""
        payment = await self._operating.release(
            acting_merchant(),
            request.transaction_id,
            convert.read_operator(request),
            at_locked_rate=request.honour_locked_rate,
        )
        return write_payment(payment)

    async def ResolveAttempt(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ResolveAttemptRequest, context: Context
    ) -> payments_pb2.Payment:
        """See admin.proto."""
        operator, answer, evidence = convert.read_resolution(request)
        payment = await self._operating.resolve(
            acting_merchant(), request.transaction_id, operator, answer, evidence=evidence
        )
        return write_payment(payment)

    async def ListOverduePayments(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListOverduePaymentsRequest, context: Context
    ) -> admin_pb2.ListOverduePaymentsResponse:
        """See admin.proto."""
        after, limit = convert.read_overdue_request(request)
        page, last = await self._operating.overdue(
            acting_merchant(), waiting=request.waiting, after=after, limit=limit
        )
        return admin_pb2.ListOverduePaymentsResponse(
            payments=[
                convert.write_overdue(one) for one in page if isinstance(one, OverduePayment)
            ],
            next_page_token=convert.write_overdue_token(last),
            unreadable_transaction_ids=[
                one.transaction_id for one in page if isinstance(one, UnreadableOverdue)
            ],
        )

    async def ListDisputes(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListDisputesRequest, context: Context
    ) -> admin_pb2.ListDisputesResponse:
        """See admin.proto."""
        after, limit = convert.read_disputes_request(request)
        page, last = await self._operating.disputes(acting_merchant(), after=after, limit=limit)
        return admin_pb2.ListDisputesResponse(
            disputes=[write_dispute(one.dispute) for one in page if one.dispute],
            next_page_token=convert.write_disputes_token(last),
            unreadable_dispute_ids=[one.dispute_id for one in page if one.dispute is None],
        )

    async def ListOperatorActions(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListOperatorActionsRequest, context: Context
    ) -> admin_pb2.ListOperatorActionsResponse:
        """See admin.proto."""
        before, limit = convert.read_actions_request(request)
        page, last = await self._operating.actions(acting_merchant(), before=before, limit=limit)
        return admin_pb2.ListOperatorActionsResponse(
            actions=[convert.write_action(one) for one in page if isinstance(one, OperatorAction)],
            next_page_token=convert.write_actions_token(last),
            unreadable_action_ids=[
                one.action_id for one in page if isinstance(one, UnreadableAction)
            ],
        )
