"""Two operators with keys, and their proposals."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from caravel.payments.v1 import proposals_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.keys import MadeKey, operator_key

Proposal = proposals_pb2.Proposal
CORRIDOR = "us-ng"


class Two:
    """Ada proposes, Grace decides."""

    def __init__(self, service: Service, keys: Mapping[str, MadeKey]) -> None:
        self.stub = service.proposals
        self.keys = dict(keys)

    def as_(self, name: str) -> tuple[tuple[str, str], ...]:
        """The metadata of an operator."""
        return (self.keys[name].header,)

    async def propose(
        self, request: proposals_pb2.CreateProposalRequest | None = None, by: str = "lin"
    ) -> Proposal:
        """A proposal; of an override without a request."""
        wanted = request or override_request()
        return await self.stub.CreateProposal(wanted, metadata=self.as_(by))

    def approve(self, proposal: Proposal, by: str = "mae", **changes: str) -> Any:
        """The call that approves."""
        fields = {"payload_sha256": proposal.payload_sha256, **changes}
        request = proposals_pb2.ApproveProposalRequest(proposal_id=proposal.proposal_id, **fields)
        return self.stub.ApproveProposal(request, metadata=self.as_(by))

    def refuse(self, proposal: Proposal, by: str = "mae") -> Any:
        """The call that refuses."""
        request = proposals_pb2.RefuseProposalRequest(
            proposal_id=proposal.proposal_id, note="not now"
        )
        return self.stub.RefuseProposal(request, metadata=self.as_(by))

    def withdraw(self, proposal: Proposal, by: str = "lin") -> Any:
        """The call that withdraws."""
        request = proposals_pb2.WithdrawProposalRequest(
            proposal_id=proposal.proposal_id, note="a mistake"
        )
        return self.stub.WithdrawProposal(request, metadata=self.as_(by))

    async def state(self, proposal: Proposal) -> str:
        """The state as the database has it now."""
        request = proposals_pb2.GetProposalRequest(proposal_id=proposal.proposal_id)
        found = await self.stub.GetProposal(request)
        return Proposal.State.Name(found.state)

    async def overrides(self) -> list[proposals_pb2.AgreedOverride]:
        """All overrides."""
        listed = await self.stub.ListRateOverrides(proposals_pb2.ListRateOverridesRequest())
        return list(listed.overrides)


async def two(service: Service, engine: AsyncEngine) -> Two:
    """Lin and Mae, each with a key of all scopes."""
    keys = {name: await operator_key(engine, name) for name in ("lin", "mae")}
    return Two(service, keys)


def override_request(
    reason: str = "thin market", **changes: Any
) -> proposals_pb2.CreateProposalRequest:
    """A request for an override of two hours."""
    order = {
        "corridor_id": CORRIDOR,
        "rate": "1540.5",
        "ends_at": datetime.now(UTC) + timedelta(hours=2),
        **changes,
    }
    return proposals_pb2.CreateProposalRequest(
        rate_override=proposals_pb2.RateOverrideOrder(**order), reason=reason
    )
