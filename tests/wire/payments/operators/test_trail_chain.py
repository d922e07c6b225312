"""verify recomputes the chain of operators' actions and names the first one that does not fit, by
each way in which somebody with the owner's rights could forge it."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import pytest
from caravel.payments.v1 import pauses_pb2
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.audit.report import Accounts, Report
from services.payments.audit.verify import render
from tests.poison import UNGUARDED, rows, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import refused

CHAIN = "the chain of operators' actions is whole"
CORRIDORS = ("us-ng", "us-in", "us-jp", "us-mx")


async def pause(service: Service, corridor: str) -> None:
    await service.pauses.PauseCorridor(
        pauses_pb2.PauseCorridorRequest(corridor_id=corridor, reason="maintenance, “ÿ”")
    )


async def report(engine: AsyncEngine) -> Report:
    return await PostgresAudit(engine, overdue_seconds=600).report()


async def broken(engine: AsyncEngine) -> tuple[str, ...]:
    (finding,) = [one for one in (await report(engine)).findings if one.invariant == CHAIN]
    return finding.examples


@pytest.fixture
async def acted(service: Service, engine: AsyncEngine) -> list[UUID]:
    """The ids of four actions, in order; one of them was refused."""
    for corridor in CORRIDORS[:3]:
        await pause(service, corridor)
    assert (await refused(service.pauses.PauseCorridor(again())))[1] == "PAUSE_EXISTS"
    return [row[0] for row in await rows(engine, "SELECT id FROM operator_actions ORDER BY id")]


def again() -> pauses_pb2.PauseCorridorRequest:
    return pauses_pb2.PauseCorridorRequest(corridor_id="us-ng", reason="again")


async def test_each_action_is_an_entry_over_the_one_before(
    acted: list[UUID], engine: AsyncEngine
) -> None:
    chain = await rows(
        engine,
        "SELECT sequence, action_id, previous_sha256, sha256 FROM operator_action_chain "
        "ORDER BY sequence",
    )

    assert [(row[0], row[1]) for row in chain] == list(enumerate(acted, start=1))
    assert [row[2] for row in chain] == ["", *(row[3] for row in chain[:-1])]
    assert await broken(engine) == ()


async def test_the_hash_is_over_all_that_the_action_says(
    acted: list[UUID], engine: AsyncEngine
) -> None:
    """As docs/trail.md has it, so that anybody can compute it without this software."""
    ((last, *words),) = await rows(
        engine,
        """
        SELECT c.sha256, c.previous_sha256, c.sequence::text, a.merchant_id, a.id::text,
               a.operator, a.action, a.subject, a.note, extract(epoch FROM a.acted_at)::text,
               a.credential_id, a.address, a.request_id, a.refusal, a.provider_answer
          FROM operator_action_chain c JOIN operator_actions a ON a.id = c.action_id
         ORDER BY c.sequence DESC LIMIT 1
        """,
    )
    written = b"".join(b"%d:%b," % (len(word.encode()), word.encode()) for word in words)

    assert hashlib.sha256(written).hexdigest() == last


@pytest.mark.parametrize(
    "column",
    [
        *("operator", "action", "subject", "note", "credential_id", "address", "request_id"),
        *("refusal", "provider_answer", "merchant_id"),
    ],
)
async def test_a_changed_action_is_named(
    acted: list[UUID], engine: AsyncEngine, column: str
) -> None:
    await run(engine, UNGUARDED)
    await run(
        engine,
        f"UPDATE operator_actions SET {column} = {column} || 'x' WHERE id = :id",
        id=acted[1],
    )

    assert await broken(engine) == (f"changed 2 {acted[1]}",)


async def test_a_changed_time_is_named(acted: list[UUID], engine: AsyncEngine) -> None:
    await run(engine, UNGUARDED)
    moved = "UPDATE operator_actions SET acted_at = acted_at + interval '1 microsecond'"
    await run(engine, f"{moved} WHERE id = :id", id=acted[0])

    assert await broken(engine) == (f"changed 1 {acted[0]}",)


@pytest.mark.parametrize(
    ("forgery", "fault"),
    [
        ("DELETE FROM operator_actions WHERE id = '{1}'", "removed 2 {1}"),
        (
            "DELETE FROM operator_actions WHERE id = '{1}';"
            "DELETE FROM operator_action_chain WHERE action_id = '{1}'",
            "entry removed before 3 {2}",
        ),
        (
            "INSERT INTO operator_actions (merchant_id, id, operator, action, subject, note) "
            "VALUES ('', '{1}'::uuid, 'eve', 'RELEASE_HOLD', 'pay_1', '')",
            "changed 2 {1}",
        ),
        (
            "UPDATE operator_action_chain SET sequence = CASE sequence WHEN 2 THEN 30 ELSE 2 END "
            "WHERE sequence IN (2, 3);"
            "UPDATE operator_action_chain SET sequence = 3 WHERE sequence = 30",
            "reordered 2 {2}",
        ),
        (
            "UPDATE operator_action_chain SET sha256 = repeat('0', 64) WHERE sequence = 1",
            "changed 1 {0}",
        ),
        (
            "UPDATE operator_action_chain SET previous_sha256 = 'x' WHERE sequence = 1",
            "reordered 1 {0}",
        ),
    ],
    ids=["removed", "removed with entry", "doubled", "reordered", "hash", "first"],
)
async def test_a_forged_trail_is_named(
    acted: list[UUID], engine: AsyncEngine, forgery: str, fault: str
) -> None:
    await run(engine, UNGUARDED)
    damage = forgery.format(*acted)
    if damage.startswith("INSERT"):
        damage = damage.replace("VALUES (''", "VALUES ('mer_1'")

    await run(engine, *damage.split(";"))

    assert await broken(engine) == (fault.format(*acted),)


async def test_an_inserted_action_is_named(acted: list[UUID], engine: AsyncEngine) -> None:
    await run(engine, UNGUARDED)
    # Between the first two by its id, as if it had happened then.
    between = UUID(int=acted[0].int + 1)
    await run(
        engine,
        "INSERT INTO operator_actions (merchant_id, id, operator, action, subject, note) "
        "VALUES ('', :id, 'eve', 'RELEASE_HOLD', 'pay_1', '')",
        id=between,
    )

    assert await broken(engine) == (f"inserted 1 {between}",)


async def test_a_chain_that_was_made_again_has_another_head(
    service: Service, acted: list[UUID], engine: AsyncEngine
) -> None:
    """Nothing in the database shows it; the head that was kept elsewhere does."""
    kept = (await report(engine)).trail
    await run(engine, UNGUARDED)
    await run(
        engine,
        "UPDATE operator_actions SET operator = 'eve'",
        "DELETE FROM operator_action_chain",
        "SELECT chain_action(a) FROM (SELECT * FROM operator_actions ORDER BY id) AS o "
        "JOIN operator_actions a USING (id)",
    )

    forged = (await report(engine)).trail

    assert await broken(engine) == ()
    assert kept and forged and kept.sequence == forged.sequence
    assert kept.sha256 != forged.sha256


async def test_actions_at_once_are_entries_one_after_the_other(
    service: Service, engine: AsyncEngine
) -> None:
    await asyncio.gather(*(pause(service, corridor) for corridor in CORRIDORS))

    found = await rows(engine, "SELECT sequence FROM operator_action_chain ORDER BY sequence")
    assert found == [(1,), (2,), (3,), (4,)]
    assert await broken(engine) == ()


@pytest.mark.parametrize(
    "forgery",
    [
        "INSERT INTO operator_action_chain VALUES (99, gen_random_uuid(), '', '')",
        "SELECT chain_action(a) FROM operator_actions a",
        "SET session_replication_role = replica",
    ],
)
async def test_the_application_adds_no_entry_itself(
    acted: list[UUID], engine: AsyncEngine, forgery: str
) -> None:
    async with engine.begin() as connection:
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text(forgery))


async def test_verify_shows_the_head_to_be_kept_elsewhere(
    acted: list[UUID], engine: AsyncEngine
) -> None:
    found = await report(engine)
    ((sha256,),) = await rows(engine, "SELECT sha256 FROM operator_action_chain WHERE sequence = 4")

    shown: Any = render(found, Accounts())

    assert f"  4 operators' actions, the last {sha256}" in shown.splitlines()
