"""The operators' RPCs about proposals and overrides of rates: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import proposals_pb2, proposals_pb2_grpc

from services.payments.base.paging import read_id_page, write_id_token
from services.payments.merchants.authoriser import acting_principal
from services.payments.model.operator import operator_of
from services.payments.operators.convert import proposals as convert
from services.payments.operators.proposing import Proposing
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class ProposalServicer(proposals_pb2_grpc.ProposalServiceServicer):
    """caravel.payments.v1.ProposalService."""

    def __init__(self, proposing: Proposing) -> None:
        self._proposing = proposing

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            proposals_pb2_grpc.add_ProposalServiceServicer_to_server,
            self,
            "caravel.payments.v1.ProposalService",
        )

    async def CreateProposal(  # noqa: N802 - the contract's name
        self, request: proposals_pb2.CreateProposalRequest, context: Context
    ) -> proposals_pb2.Proposal:
        """See proposals.proto."""
        principal = acting_principal()
        draft = convert.read_draft(request, principal)
        return convert.write_proposal(await self._proposing.propose(operator_of(principal), draft))

    async def ListProposals(  # noqa: N802 - the contract's name
        self, request: proposals_pb2.ListProposalsRequest, context: Context
    ) -> proposals_pb2.ListProposalsResponse:
        """See proposals.proto."""
        before, limit = read_id_page(request.page_token, request.page_size)
        page, last = await self._proposing.list(
            state=convert.read_state(request), before=before, limit=limit
        )
        return proposals_pb2.ListProposalsResponse(
            proposals=[convert.write_proposal(one) for one in page],
            next_page_token=write_id_token(last),
        )

    async def GetProposal(  # noqa: N802 - the contract's name
        self, request: proposals_pb2.GetProposalRequest, context: Context
    ) -> proposals_pb2.Proposal:
        """See proposals.proto."""
        return convert.write_proposal(await self._proposing.get(request.proposal_id))

    async def ApproveProposal(  # noqa: N802 - the contract's name
        self, request: proposals_pb2.ApproveProposalRequest, context: Context
    ) -> proposals_pb2.Proposal:
        """See proposals.proto."""
        approved = await self._proposing.approve(
            operator_of(acting_principal()), request.proposal_id, convert.read_sha256(request)
        )
        return convert.write_proposal(approved)

    async def RefuseProposal(  # noqa: N802 - the contract's name
        self, request: proposals_pb2.RefuseProposalRequest, context: Context
    ) -> proposals_pb2.Proposal:
        """See proposals.proto."""
        operator = convert.read_operator(request, acting_principal())
        refused = await self._proposing.refuse(operator, request.proposal_id)
        return convert.write_proposal(refused)

    async def WithdrawProposal(  # noqa: N802 - the contract's name
        self, request: proposals_pb2.WithdrawProposalRequest, context: Context
    ) -> proposals_pb2.Proposal:
        """See proposals.proto."""
        operator = convert.read_operator(request, acting_principal())
        withdrawn = await self._proposing.withdraw(operator, request.proposal_id)
        return convert.write_proposal(withdrawn)

    async def ListRateOverrides(  # noqa: N802 - the contract's name
        self, request: proposals_pb2.ListRateOverridesRequest, context: Context
    ) -> proposals_pb2.ListRateOverridesResponse:
        """See proposals.proto."""
        before, limit = read_id_page(request.page_token, request.page_size)
        now, page, last = await self._proposing.overrides(before=before, limit=limit)
        return proposals_pb2.ListRateOverridesResponse(
            overrides=[convert.write_override(one, now) for one in page],
            next_page_token=write_id_token(last),
        )

    async def EndRateOverride(  # noqa: N802 - the contract's name
        self, request: proposals_pb2.EndRateOverrideRequest, context: Context
    ) -> proposals_pb2.AgreedOverride:
        """See proposals.proto."""
        operator = convert.read_operator(request, acting_principal())
        now, ended = await self._proposing.end_override(operator, request.override_id)
        return convert.write_override(ended, now)
