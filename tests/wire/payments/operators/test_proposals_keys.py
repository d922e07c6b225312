"""A proposal and its approval are worth as much as the keys that have made them."""

from typing import Any

import pytest
from caravel.payments.v1 import proposals_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.poison import run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import actions, refused
from tests.wire.payments.operators.keys import operator_key
from tests.wire.payments.operators.proposals import Two, override_request, two


@pytest.fixture
async def pair(service: Service, engine: AsyncEngine) -> Two:
    return await two(service, engine)


async def reason(call: Any) -> str:
    return (await refused(call))[1]


async def test_a_proposal_of_a_revoked_key_is_not_done(pair: Two, engine: AsyncEngine) -> None:
    proposal = await pair.propose()
    await run(engine, "UPDATE operator_keys SET revoked_at = now() WHERE operator = 'lin'")

    assert await reason(pair.approve(proposal)) == "PROPOSER_REVOKED"
    assert await pair.state(proposal) == "FAILED"
    assert await pair.overrides() == []


async def test_a_proposal_of_a_rolled_key_is_done(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    proposal = await pair.propose()
    new = await operator_key(engine, "lin")
    await run(
        engine,
        "UPDATE operator_keys SET rolled_to = :new, "
        "revoked_at = (SELECT created_at FROM operator_keys WHERE id = :new) WHERE id = :old",
        new=new.id,
        old=pair.keys["lin"].id,
    )

    assert (await pair.approve(proposal)).state == proposals_pb2.Proposal.APPROVED


async def test_a_proposal_of_a_rolled_key_that_was_then_revoked_is_not_done(
    pair: Two, engine: AsyncEngine
) -> None:
    proposal = await pair.propose()
    new = await operator_key(engine, "lin")
    # Rolled with an overlap, and revoked by hand when the theft was known.
    await run(
        engine,
        "UPDATE operator_keys SET rolled_to = :new, revoked_at = now() WHERE id = :old",
        new=new.id,
        old=pair.keys["lin"].id,
    )

    assert await reason(pair.approve(proposal)) == "PROPOSER_REVOKED"
    assert await pair.overrides() == []


@pytest.mark.parametrize(
    ("ends", "expected"),
    [("revoked_at = now()", "API_KEY_REVOKED"), ("expires_at = now()", "API_KEY_EXPIRED")],
)
async def test_a_key_that_ends_after_its_call_was_admitted_approves_nothing(
    ends: str, expected: str, pair: Two, engine: AsyncEngine
) -> None:
    proposal = await pair.propose()
    # The credentials in memory do not know it: their version is the same.
    await run(engine, f"UPDATE operator_keys SET {ends} WHERE operator = 'mae'")

    assert await reason(pair.approve(proposal)) == expected
    assert await pair.state(proposal) == "PROPOSED"
    assert await pair.overrides() == []


async def test_a_proposal_of_a_revoked_key_stands_in_nobody_s_way(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    first = await pair.propose()
    await run(engine, "UPDATE operator_keys SET revoked_at = now() WHERE operator = 'lin'")

    second = await pair.propose(override_request("again"), by="mae")

    assert second.state == proposals_pb2.Proposal.PROPOSED
    assert await pair.state(first) == "EXPIRED"
    ended = ("caravel", "EXPIRE_PROPOSAL", first.proposal_id, "of lin: PROPOSER_REVOKED")
    assert ended in await actions(service)


@pytest.mark.parametrize(
    ("scope", "ends"), [("operate:approve", True), ("operate:propose", True), ("audit:read", False)]
)
async def test_an_override_is_ended_by_one_who_may_approve_or_propose(
    scope: str, ends: bool, pair: Two, engine: AsyncEngine
) -> None:
    await pair.approve(await pair.propose())
    [override] = await pair.overrides()
    pair.keys["kim"] = await operator_key(engine, "kim", scopes=["operate:read", scope])
    request = proposals_pb2.EndRateOverrideRequest(override_id=override.override_id)
    call = pair.stub.EndRateOverride(request, metadata=pair.as_("kim"))

    if ends:
        assert (await call).ended_by == "kim"
    else:
        assert await reason(call) == "SCOPE_MISSING"
