"""The operators' RPCs about payments: convert, call, convert. The verbs are in usecases."""

from typing import Any

import grpc
from caravel.payments.v1 import admin_pb2, admin_pb2_grpc, payments_pb2

from services.payments.base.convert import write_dispute
from services.payments.base.paging import read_id_page, write_id_token
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.merchants.authoriser import acting_principal
from services.payments.model.operator import OperatorAction, UnreadableAction
from services.payments.operators.convert import payments as convert
from services.payments.operators.convert.verbs import read_verb
from services.payments.operators.usecases import Operating
from services.payments.operators.verbs.acting import Acting
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """caravel.payments.v1.AdminService."""

    def __init__(self, operating: Operating, acting: Acting) -> None:
        self._operating = operating
        self._acting = acting

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
        page, last = await self._operating.dead_letters(wanted, limit=limit)
        return admin_pb2.ListDeadLettersResponse(
            dead_letters=[convert.write_letter(letter) for letter in page],
            next_page_token=convert.write_letters_token(wanted, last),
        )

    async def RequeueDeadLetter(  # noqa: N802 - the contract's name
        self, request: admin_pb2.RequeueDeadLetterRequest, context: Context
    ) -> admin_pb2.OperatorAction:
        """See admin.proto."""
        operator = convert.read_operator(request, acting_principal())
        action = await self._operating.requeue(request.dead_letter_id, operator)
        return convert.write_action(action)

    async def DiscardDeadLetter(  # noqa: N802 - the contract's name
        self, request: admin_pb2.DiscardDeadLetterRequest, context: Context
    ) -> admin_pb2.OperatorAction:
        """See admin.proto."""
        operator = convert.read_operator(request, acting_principal())
        action = await self._operating.discard(request.dead_letter_id, operator)
        return convert.write_action(action)

    async def ReleaseHold(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ReleaseHoldRequest, context: Context
    ) -> payments_pb2.Payment:
        """See admin.proto."""
        order, operator = read_verb(request, acting_principal())
        done = await self._acting.act(order, operator)
        return payments_pb2.Payment.FromString(done.response)

    async def ResolveAttempt(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ResolveAttemptRequest, context: Context
    ) -> payments_pb2.Payment:
        """See admin.proto."""
        order, operator = read_verb(request, acting_principal())
        done = await self._acting.act(order, operator)
        return payments_pb2.Payment.FromString(done.response)

    async def ListOverduePayments(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListOverduePaymentsRequest, context: Context
    ) -> admin_pb2.ListOverduePaymentsResponse:
        """See admin.proto."""
        after, limit = convert.read_overdue_request(request)
        page, last = await self._operating.overdue(
            merchant_id=convert.read_merchant(request),
            waiting=request.waiting,
            waiting_for=convert.read_waiting_for(request),
            after=after,
            limit=limit,
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
        page, last = await self._operating.disputes(
            merchant_id=convert.read_merchant(request), after=after, limit=limit
        )
        return admin_pb2.ListDisputesResponse(
            open_disputes=[
                admin_pb2.OpenDispute(
                    dispute=write_dispute(one.dispute), merchant_id=one.merchant_id
                )
                for one in page
                if one.dispute
            ],
            next_page_token=convert.write_disputes_token(last),
            unreadable_dispute_ids=[one.dispute_id for one in page if one.dispute is None],
        )

    async def ListOperatorActions(  # noqa: N802 - the contract's name
        self, request: admin_pb2.ListOperatorActionsRequest, context: Context
    ) -> admin_pb2.ListOperatorActionsResponse:
        """See admin.proto."""
        before, limit = read_id_page(request.page_token, request.page_size)
        wanted = convert.read_actions_request(request)
        page, last = await self._operating.actions(wanted, before=before, limit=limit)
        return admin_pb2.ListOperatorActionsResponse(
            actions=[convert.write_action(one) for one in page if isinstance(one, OperatorAction)],
            next_page_token=write_id_token(last),
            unreadable_action_ids=[
                one.action_id for one in page if isinstance(one, UnreadableAction)
            ],
        )
