"""The tables themselves hold to two people, whatever code writes."""

from typing import Any

import pytest
from caravel.payments.v1 import proposals_pb2
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.poison import run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import refused
from tests.wire.payments.operators.proposals import Two, two


@pytest.fixture
async def pair(service: Service, engine: AsyncEngine) -> Two:
    return await two(service, engine)


async def reason(call: Any) -> str:
    return (await refused(call))[1]


@pytest.mark.parametrize(
    "party",
    [
        "approver = 'mae', approver_person = proposer_person, approver_credential = 'opk_other'",
        "approver = 'mae', approver_person = 'operator:mae', "
        "approver_credential = proposer_credential",
        "approver = 'LIN', approver_person = 'https://idp#1', approver_credential = 'https://idp#1'",
        "approver = NULL, approver_person = NULL, approver_credential = NULL",
        "approver = 'mae', approver_person = 'operator:mae', approver_credential = NULL",
    ],
    ids=["one person", "one credential", "one name", "nobody", "no credential"],
)
@pytest.mark.parametrize("state", ["APPROVED", "REFUSED", "FAILED"])
async def test_the_database_itself_refuses_a_decision_of_one_person(
    state: str, party: str, pair: Two, engine: AsyncEngine
) -> None:
    await pair.propose()

    with pytest.raises(DBAPIError, match=r"proposals_(approved_by_another|decided_by_somebody)"):
        await run(engine, f"UPDATE proposals SET state = '{state}', decided_at = now(), {party}")


async def test_the_database_itself_refuses_an_override_without_an_approved_proposal(
    pair: Two, engine: AsyncEngine
) -> None:
    await pair.propose()
    insert = """
        INSERT INTO rate_overrides (id, corridor_id, rate, maximum_deviation_basis_points,
               starts_at, ends_at, proposal_id, proposed_by, approved_by, reason {0})
        SELECT id, 'us-ng', 1540.5, 300, now(), expires_at, id, 'lin', 'mae', 'mine' {1}
          FROM proposals
    """

    with pytest.raises(DBAPIError, match="rate_overrides_proposal_id_fkey"):
        await run(engine, insert.format("", ""))
    with pytest.raises(DBAPIError, match="rate_overrides_proposal_approved_check"):
        await run(engine, insert.format(", proposal_state", ", 'PROPOSED'"))


@pytest.mark.parametrize(
    ("column", "value"), [("verb", "RELEASE_HOLD"), ("target", "us-in"), ("target", "")]
)
async def test_the_database_itself_refuses_an_override_of_a_proposal_of_something_else(
    column: str, value: str, pair: Two, engine: AsyncEngine
) -> None:
    await pair.approve(await pair.propose())

    with pytest.raises(DBAPIError, match="rate_overrides_proposal_id_fkey"):
        await run(engine, f"UPDATE proposals SET {column} = '{value}'")


@pytest.mark.parametrize(
    "change",
    [
        "proposals SET state = 'PROPOSED', decided_at = NULL",
        "proposals SET approver = 'eve', approver_person = 'operator:eve'",
        "proposals SET decided_at = now()",
        "rate_overrides SET ended_at = NULL",
        "rate_overrides SET ended_at = now(), ended_by = 'eve'",
    ],
)
async def test_the_database_itself_lets_nobody_take_back_a_decision_or_an_end(
    change: str, pair: Two, engine: AsyncEngine
) -> None:
    await pair.approve(await pair.propose())
    [override] = await pair.overrides()
    end = proposals_pb2.EndRateOverrideRequest(override_id=override.override_id)
    await pair.stub.EndRateOverride(end, metadata=pair.as_("lin"))

    with pytest.raises(DBAPIError, match=r"what was decided in \w+ stands"):
        await run(engine, f"UPDATE {change}")
