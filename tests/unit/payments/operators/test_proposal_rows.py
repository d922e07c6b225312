"""A proposal meets one that is decided while it looks."""

from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.operators.proposal import Party, Proposal, ProposalExists
from services.payments.operators.store.proposals import ProposalRows
from services.shared.ids import new_id
from tests.makers import NOW


class Contended:
    """A connection on which the place is always taken, and never by anything that is still open."""

    async def execute(self, statement: Any, values: Any) -> "Contended":
        return self

    def one_or_none(self) -> None:
        return None


async def test_a_place_that_others_take_and_leave_at_once_is_a_refusal_with_a_reason() -> None:
    rows = ProposalRows(cast(AsyncConnection, Contended()))
    wanted = Proposal(
        id=new_id(),
        merchant_id="",
        verb="RATE_OVERRIDE",
        target="us-ng",
        target_state="",
        payload="{}",
        payload_sha256="0" * 64,
        reason="thin market",
        proposer=Party(name="lin", credential="opk_1", person="operator:lin"),
        created_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )

    with pytest.raises(ProposalExists):
        await rows.add(wanted)
