"""Two people agree on a verb: who may decide, once, and about what was read."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import operator_keys_pb2, proposals_pb2
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.operators.expiring import Expiring
from services.payments.operators.store.proposals import PostgresProposals
from services.shared.ids import Prefix, decode_id
from tests.poison import rows, run
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.operators.calls import actions, refusals, refused
from tests.wire.payments.operators.keys import MadeKey, operator_key
from tests.wire.payments.operators.proposals import Two, override_request, two


@pytest.fixture
async def pair(service: Service, engine: AsyncEngine) -> Two:
    return await two(service, engine)


async def reason(call: Any) -> str:
    return (await refused(call))[1]


async def rolled(service: Service, pair: Two, name: str, by: str) -> MadeKey:
    request = operator_keys_pb2.RollOperatorKeyRequest(
        key_id=pair.keys[name].key_id, overlap_hours=1
    )
    new = await service.operator_keys.RollOperatorKey(request, metadata=pair.as_(by))
    new_id = decode_id(Prefix.OPERATOR_KEY, new.key.key_id)
    assert new_id is not None
    return MadeKey(new_id, new.api_key)


async def test_a_proposal_of_one_that_another_approves_is_done(service: Service, pair: Two) -> None:
    proposal = await pair.propose()
    approved = await pair.approve(proposal)

    assert proposal.state == proposals_pb2.Proposal.PROPOSED
    assert approved.state == proposals_pb2.Proposal.APPROVED
    assert (approved.proposed_by, approved.decided_by) == ("lin", "mae")
    [override] = await pair.overrides()
    assert (override.rate, override.in_force) == ("1540.5", True)
    assert (override.proposed_by, override.approved_by) == ("lin", "mae")
    assert override.proposal_id == proposal.proposal_id
    assert {(by, action) for by, action, _, _ in await actions(service)} == {
        ("lin", "CREATE_PROPOSAL"),
        ("mae", "RATE_OVERRIDE"),
        ("mae", "APPROVE_PROPOSAL"),
    }


async def test_nothing_is_done_by_a_proposal_alone(pair: Two) -> None:
    await pair.propose()

    assert await pair.overrides() == []


@pytest.mark.parametrize("changes", ["", "revoked_at = now()"])
@pytest.mark.parametrize("name", ["lin", "LIN"])
async def test_no_key_of_the_proposer_approves(
    name: str, changes: str, service: Service, pair: Two, engine: AsyncEngine
) -> None:
    proposal = await pair.propose()
    # Also where the key that has proposed is over.
    if changes:
        await run(
            engine,
            f"UPDATE operator_keys SET {changes} WHERE operator = 'lin'",
            "UPDATE credential_version SET version = version + 1",
        )
    pair.keys["again"] = await operator_key(engine, name)

    assert await reason(pair.approve(proposal, by="again")) == "APPROVER_IS_PROPOSER"
    assert await reason(pair.refuse(proposal, by="again")) == "APPROVER_IS_PROPOSER"
    assert await pair.state(proposal) == "PROPOSED"
    assert (name, "APPROVE_PROPOSAL", proposal.proposal_id, "APPROVER_IS_PROPOSER") in (
        await refusals(service)
    )


async def test_a_call_of_the_sandbox_is_the_first_built_in_operator(pair: Two) -> None:
    proposal = await pair.stub.CreateProposal(override_request())
    request = proposals_pb2.ApproveProposalRequest(
        proposal_id=proposal.proposal_id, payload_sha256=proposal.payload_sha256
    )

    assert proposal.proposed_by == "ada"
    assert await reason(pair.stub.ApproveProposal(request)) == "APPROVER_IS_PROPOSER"
    assert (await pair.approve(proposal)).state == proposals_pb2.Proposal.APPROVED


async def test_an_approval_that_comes_twice_is_done_once(pair: Two) -> None:
    proposal = await pair.propose()
    first = await pair.approve(proposal)

    again = await pair.approve(proposal)

    assert again == first
    assert len(await pair.overrides()) == 1


async def test_of_many_approvals_at_once_one_is_done(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    names = [f"op{number}" for number in range(5)]
    pair.keys |= {name: await operator_key(engine, name) for name in names}
    proposal = await pair.propose()

    async def approve(name: str) -> str:
        try:
            await pair.approve(proposal, by=name)
        except grpc.aio.AioRpcError:
            return ""
        return name

    won = [name for name in await asyncio.gather(*map(approve, names * 2)) if name]

    assert len(set(won)) == 1
    assert len(await pair.overrides()) == 1
    assert [by for by, action, _, _ in await actions(service) if action == "RATE_OVERRIDE"] == [
        won[0]
    ]


@pytest.mark.parametrize("rounds", range(5))
async def test_of_an_approval_and_a_withdrawal_at_once_one_counts(rounds: int, pair: Two) -> None:
    proposal = await pair.propose()

    ends = await asyncio.gather(
        pair.approve(proposal),
        pair.withdraw(proposal),
        pair.refuse(proposal),
        return_exceptions=True,
    )

    assert sum(not isinstance(end, Exception) for end in ends) == 1, ends
    state = await pair.state(proposal)
    assert state in {"APPROVED", "WITHDRAWN", "REFUSED"}
    assert len(await pair.overrides()) == (state == "APPROVED")


@pytest.mark.parametrize(
    ("verb", "state"), [("refuse", "REFUSED"), ("withdraw", "WITHDRAWN"), ("approve", "APPROVED")]
)
async def test_a_decided_proposal_stays_as_it_is(
    verb: str, state: str, service: Service, pair: Two
) -> None:
    proposal = await pair.propose()
    await getattr(pair, verb)(proposal)
    await getattr(pair, verb)(proposal)

    others = {"refuse", "withdraw", "approve"} - {verb}
    assert [await reason(getattr(pair, other)(proposal)) for other in sorted(others)] == [
        "PROPOSAL_NOT_OPEN"
    ] * 2
    assert await pair.state(proposal) == state
    logged = [
        action
        for _, action, subject, _ in await actions(service)
        if subject == proposal.proposal_id
    ]
    assert logged == [f"{verb.upper()}_PROPOSAL", "CREATE_PROPOSAL"]


async def test_only_the_proposer_withdraws_with_any_key_of_theirs(
    pair: Two, engine: AsyncEngine
) -> None:
    proposal = await pair.propose()
    pair.keys["other key"] = await operator_key(engine, "lin")

    assert await reason(pair.withdraw(proposal, by="mae")) == "NOT_THE_PROPOSER"
    withdrawn = await pair.withdraw(proposal, by="other key")
    assert (withdrawn.state, withdrawn.note) == (proposals_pb2.Proposal.WITHDRAWN, "a mistake")


@pytest.mark.parametrize("made", ["mae", "lin"], ids=["the approver's", "the proposer's"])
@pytest.mark.parametrize("way", ["made", "rolled", "rolled and rolled again", "made by another"])
async def test_a_key_that_one_of_the_two_has_made_is_no_second_person(
    way: str, made: str, service: Service, pair: Two, engine: AsyncEngine
) -> None:
    maker = {"mae": "lin", "lin": "mae"}[made]
    maker_id, old = pair.keys[maker].key_id, pair.keys[made]
    steps = {"rolled": [maker], "rolled and rolled again": [maker, made]}
    set_maker = "UPDATE operator_keys SET created_by = :maker WHERE id = :id"
    if way == "made":
        await run(engine, set_maker, maker=maker_id, id=old.id)
    elif way == "made by another":
        between = await operator_key(engine, "kim")
        await run(engine, set_maker, maker=maker_id, id=between.id)
        await run(engine, set_maker, maker=between.key_id, id=old.id)
    else:
        for by in steps[way]:
            pair.keys[made] = await rolled(service, pair, made, by)
    proposal = await pair.propose()

    assert await reason(pair.approve(proposal)) == "APPROVER_IS_PROPOSER"
    assert await pair.state(proposal) == "PROPOSED"
    # Neither has made this one.
    pair.keys["kay"] = await operator_key(engine, "kay")
    assert (await pair.approve(proposal, by="kay")).state == proposals_pb2.Proposal.APPROVED


async def test_a_proposal_can_be_approved_until_its_time_and_not_at_it(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    proposal = await pair.propose()
    # The row is the application's to read: the owner moves its end to now.
    await run(engine, "UPDATE proposals SET expires_at = clock_timestamp()")

    assert await reason(pair.approve(proposal)) == "PROPOSAL_EXPIRED"
    assert await reason(pair.refuse(proposal)) == "PROPOSAL_EXPIRED"
    assert await reason(pair.withdraw(proposal)) == "PROPOSAL_EXPIRED"
    await Expiring(PostgresProposals(engine)).once()
    assert await pair.state(proposal) == "EXPIRED"
    assert await reason(pair.approve(proposal)) == "PROPOSAL_EXPIRED"
    assert ("caravel", "EXPIRE_PROPOSAL", proposal.proposal_id, "of lin") in (
        await actions(service)
    )
    assert await pair.overrides() == []


async def test_replicas_that_expire_at_once_write_one_entry_each(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    await pair.propose()
    await run(engine, "UPDATE proposals SET expires_at = clock_timestamp()")

    expiring = [Expiring(PostgresProposals(engine)).once() for _ in range(4)]
    await asyncio.gather(*expiring)

    logged = [action for _, action, _, _ in await actions(service)]
    assert logged.count("EXPIRE_PROPOSAL") == 1


async def test_only_what_was_read_is_approved(pair: Two) -> None:
    proposal = await pair.propose()

    assert await reason(pair.approve(proposal, payload_sha256="0" * 64)) == "PROPOSAL_MISMATCH"
    assert await reason(pair.approve(proposal, payload_sha256="")) == "FIELD_REQUIRED"
    assert await reason(pair.approve(proposal, payload_sha256="A" * 64)) == "FIELD_INVALID"
    assert await pair.state(proposal) == "PROPOSED"


async def test_a_payload_that_was_changed_with_its_hash_is_not_approved(
    pair: Two, engine: AsyncEngine
) -> None:
    proposal = await pair.propose()
    other = "convert_to(replace(convert_from(payload, 'UTF8'), '1540.5', '1500'), 'UTF8')"

    with pytest.raises(DBAPIError, match="proposals_payload_check"):
        await run(engine, f"UPDATE proposals SET payload = {other}")
    await run(
        engine,
        f"UPDATE proposals SET payload = {other}, payload_sha256 = encode(sha256({other}), 'hex')",
    )

    assert await reason(pair.approve(proposal)) == "PROPOSAL_MISMATCH"
    assert await pair.overrides() == []


async def test_the_same_proposal_again_is_the_first_and_another_one_waits(pair: Two) -> None:
    request = override_request()
    first = await pair.propose(request)

    assert await pair.propose(request) == first
    assert await reason(pair.propose(request, by="mae")) == "PROPOSAL_EXISTS"
    assert await reason(pair.propose(override_request(rate="1541"))) == "PROPOSAL_EXISTS"
    await pair.refuse(first)
    assert (await pair.propose(request)).proposal_id != first.proposal_id


async def test_a_proposal_past_its_time_stands_in_nobody_s_way(
    pair: Two, engine: AsyncEngine
) -> None:
    first = await pair.propose()
    await run(engine, "UPDATE proposals SET expires_at = clock_timestamp()")

    await pair.propose(override_request("again"))

    assert await pair.state(first) == "EXPIRED"


async def test_a_proposal_does_not_outlive_its_override(pair: Two) -> None:
    request = override_request()
    longer = override_request()
    longer.expires_at.FromDatetime(datetime.now(UTC) + timedelta(hours=3))

    for wanted in (request, longer):
        proposal = await pair.propose(wanted)
        assert proposal.expires_at == wanted.rate_override.ends_at
        await pair.withdraw(proposal)


@pytest.mark.parametrize("hours", [-1, 0, 169])
async def test_a_proposal_lasts_as_long_as_the_policy_allows(hours: int, pair: Two) -> None:
    request = override_request()
    request.expires_at.FromDatetime(datetime.now(UTC) + timedelta(hours=hours))

    assert await reason(pair.propose(request)) == "FIELD_INVALID"


async def test_the_list_is_by_state_and_goes_on_page_by_page(pair: Two) -> None:
    made = []
    for number in range(3):
        made.append(await pair.propose(override_request(f"{number}")))
        await pair.refuse(made[-1])
    opened = await pair.propose()

    async def page(**fields: Any) -> proposals_pb2.ListProposalsResponse:
        return await pair.stub.ListProposals(proposals_pb2.ListProposalsRequest(**fields))

    first = await page(page_size=2, state="REFUSED")
    rest = await page(page_size=2, state="REFUSED", page_token=first.next_page_token)

    assert [one.reason for one in first.proposals] == ["2", "1"]
    assert [one.reason for one in rest.proposals] == ["0"]
    assert rest.next_page_token == ""
    assert [one.proposal_id for one in (await page(state="PROPOSED")).proposals] == [
        opened.proposal_id
    ]
    assert len((await page()).proposals) == 4


@pytest.mark.parametrize("name", ["approve", "refuse", "withdraw"])
async def test_an_unknown_proposal_is_not_found(name: str, pair: Two) -> None:
    unknown = proposals_pb2.Proposal(proposal_id="prp_nothing", payload_sha256="0" * 64)

    assert await reason(getattr(pair, name)(unknown)) == "PROPOSAL_NOT_FOUND"


async def test_a_proposal_outlives_the_process_that_has_taken_it(
    engine: AsyncEngine, pair: Two
) -> None:
    proposal = await pair.propose()

    [(state, target)] = await rows(engine, "SELECT state, target FROM proposals")
    assert (state, target) == ("PROPOSED", "us-ng")
    # Another process, with nothing in memory.

    async with serving_payments(engine, CORRIDORS) as other:
        approved = await Two(other, pair.keys).approve(proposal)

    assert approved.state == proposals_pb2.Proposal.APPROVED
