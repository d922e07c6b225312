"""Operators recover a database that is older than what has happened, or accept it, by calls to a
replica that refuses all others."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from caravel.common.v1 import options_pb2
from caravel.payments.v1 import proposals_pb2, recovery_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.recovery.course import RecoveryState
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.recovery.store.recoveries import PostgresRecoveries
from tests.poison import run
from tests.wire.payments.calls import methods
from tests.wire.payments.conftest import CORRIDORS, OLDER, Service, serving_payments
from tests.wire.payments.operators.calls import actions, refusals, refused
from tests.wire.payments.operators.proposals import override_request, two

FINDING = "wise has payout pay_1-payout-1, which this database has not sent"
WHY = "restored the backup of Sunday"
START = recovery_pb2.StartRecoveryRequest(reason=WHY)
ACCEPT = recovery_pb2.AcceptDatabaseRequest(reason=WHY)
PROPOSED = proposals_pb2.CreateProposalRequest(
    accept_database=recovery_pb2.AcceptDatabaseRequest(), reason=WHY
)
Fate = recovery_pb2.RecoveredPayment.Fate


@pytest.fixture
async def older(engine: AsyncEngine) -> AsyncIterator[Service]:
    """A replica that takes its database for older, and has written down why."""
    await PostgresMarks(engine).find(FINDING)
    async with serving_payments(engine, CORRIDORS, standing=OLDER) as service:
        yield service


async def standing(service: Service) -> recovery_pb2.DatabaseStanding:
    return await service.recovery.GetDatabaseStanding(recovery_pb2.GetDatabaseStandingRequest())


async def test_the_standing_says_why_since_when_and_that_there_was_no_recovery(
    older: Service,
) -> None:
    shown = await standing(older)

    assert (shown.older, shown.finding) == (True, FINDING)
    assert shown.HasField("found_at")
    assert not shown.HasField("accepted_at")
    assert not shown.HasField("recovery")


async def test_a_database_that_nobody_doubts_has_no_finding(service: Service) -> None:
    shown = await standing(service)

    assert (shown.older, shown.finding) == (False, "")
    assert not shown.HasField("found_at")


async def test_a_start_is_answered_at_once_and_a_second_one_with_the_first(
    older: Service,
) -> None:
    first = await older.recovery.StartRecovery(START)
    second = await older.recovery.StartRecovery(recovery_pb2.StartRecoveryRequest(reason="again"))

    assert first.recovery.state == recovery_pb2.Recovery.RUNNING
    assert (first.recovery.reason, first.recovery.to_decide) == (WHY, 0)
    assert second.recovery == first.recovery
    done = [(action, subject, note) for _, action, subject, note in await actions(older)]
    assert done == [("START_RECOVERY", "database", WHY)]


async def test_two_people_accept_it_while_it_is_older(older: Service, engine: AsyncEngine) -> None:
    pair = await two(older, engine)
    alone = older.recovery.AcceptDatabase(ACCEPT, metadata=pair.as_("lin"))
    assert (await refused(alone))[1] == "APPROVAL_REQUIRED"
    proposal = await pair.propose(PROPOSED)

    assert (await standing(older)).finding == FINDING
    await pair.approve(proposal)

    shown = await standing(older)
    assert (shown.finding, shown.accepted_by, shown.accept_reason) == ("", "lin and mae", WHY)
    done = [(operator, action) for operator, action, *_ in await actions(older)]
    assert sorted(done) == [
        ("lin", "CREATE_PROPOSAL"),
        ("mae", "ACCEPT_DATABASE"),
        ("mae", "APPROVE_PROPOSAL"),
    ]
    assert ("lin", "ACCEPT_DATABASE", "database", "APPROVAL_REQUIRED") in await refusals(older)


async def test_no_other_verb_is_proposed_or_decided_while_it_is_older(
    service: Service, engine: AsyncEngine
) -> None:
    pair = await two(service, engine)
    before = await pair.propose()
    async with serving_payments(engine, CORRIDORS, standing=OLDER) as older:
        same = await two_again(older, pair)
        calls: list[Any] = [
            same.stub.CreateProposal(override_request("another"), metadata=same.as_("lin")),
            same.approve(before),
            same.refuse(before),
            same.withdraw(before),
        ]
        for call in calls:
            assert (await refused(call))[:2] == ("UNAVAILABLE", "DATABASE_OLDER")
        assert await same.state(before) == "PROPOSED"


async def two_again(service: Service, pair: Any) -> Any:
    return type(pair)(service, pair.keys)


async def test_an_acceptance_fails_where_a_recovery_has_ended_since_it_was_proposed(
    older: Service, engine: AsyncEngine
) -> None:
    pair = await two(older, engine)
    proposal = await pair.propose(PROPOSED)
    await older.recovery.StartRecovery(START)
    async with PostgresRecoveries(engine).taken() as course:
        assert course is not None
        running = pair.approve(proposal)
        assert (await refused(running))[1] == "RECOVERY_RUNNING"
        assert await pair.state(proposal) == "PROPOSED"
        await course.end(RecoveryState.UNDECIDED)

    assert (await refused(pair.approve(proposal)))[1] == "TARGET_CHANGED"
    assert await pair.state(proposal) == "FAILED"
    assert (await standing(older)).finding == FINDING


async def test_a_database_that_nobody_doubts_is_not_accepted(
    service: Service, engine: AsyncEngine
) -> None:
    pair = await two(service, engine)
    propose = service.proposals.CreateProposal(PROPOSED, metadata=pair.as_("lin"))

    assert (await refused(propose))[1] == "DATABASE_NOT_OLDER"


async def test_by_policy_one_person_accepts_it(engine: AsyncEngine, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[second_person.RATE_OVERRIDE]\n")
    await PostgresMarks(engine).find(FINDING)

    async with serving_payments(engine, CORRIDORS, policy=policy, standing=OLDER) as service:
        accepted = await service.recovery.AcceptDatabase(ACCEPT)
        again = service.recovery.AcceptDatabase(ACCEPT)
        assert (await refused(again))[1] == "DATABASE_NOT_OLDER"

    assert (accepted.finding, accepted.accept_reason) == ("", WHY)


async def test_the_payments_of_a_recovery_are_listed_by_decision_page_by_page(
    older: Service, engine: AsyncEngine
) -> None:
    await older.recovery.StartRecovery(START)
    async with PostgresRecoveries(engine).taken() as course:
        assert course is not None
        await course.found({name: [f"stripe has {name}"] for name in ("pay_a", "pay_b", "pay_c")})
    await run(engine, "UPDATE recovered_payments SET fate = 'UNKNOWN' WHERE name <> 'pay_b'")

    async def listed(**fields: Any) -> recovery_pb2.ListRecoveredPaymentsResponse:
        request = recovery_pb2.ListRecoveredPaymentsRequest(**fields)
        return await older.recovery.ListRecoveredPayments(request)

    first = await listed(fate=Fate.UNKNOWN, page_size=1)
    second = await listed(fate=Fate.UNKNOWN, page_size=1, page_token=first.next_page_token)
    every = await listed()
    assert [one.transaction_id for one in (*first.payments, *second.payments)] == ["pay_a", "pay_c"]
    assert second.next_page_token == ""
    assert [one.fate for one in every.payments] == [Fate.UNKNOWN, 0, Fate.UNKNOWN]
    assert [*every.payments[1].stories] == ["stripe has pay_b"]
    recovery = (await standing(older)).recovery
    assert (recovery.to_decide, [(one.fate, one.payments) for one in recovery.decided]) == (
        1,
        [(Fate.UNKNOWN, 2)],
    )


async def test_an_unknown_decision_is_refused(service: Service) -> None:
    request = recovery_pb2.ListRecoveredPaymentsRequest(fate=77)  # type: ignore[arg-type]

    call = service.recovery.ListRecoveredPayments(request)

    assert (await refused(call))[1] == "FIELD_INVALID"


@pytest.mark.parametrize("call", ["StartRecovery", "AcceptDatabase"])
async def test_a_verb_without_a_reason_is_refused(service: Service, call: str) -> None:
    request = getattr(recovery_pb2, f"{call}Request")(reason=" ")

    answer = getattr(service.recovery, call)(request)

    assert (await refused(answer))[1] == "FIELD_REQUIRED"


def test_these_calls_alone_change_something_while_the_database_is_older() -> None:
    found = {
        method.name
        for method in methods()
        if method.GetOptions().Extensions[options_pb2.access].on_older_database
    }

    assert found == {
        "StartRecovery",
        "AcceptDatabase",
        "CreateProposal",
        "ApproveProposal",
        "RefuseProposal",
        "WithdrawProposal",
    }
