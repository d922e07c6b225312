"""verify holds each quote to the override that has priced it, and that to its proposal."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.audit.prices import OVERRIDDEN
from tests.poison import UNGUARDED, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.proposals import Two, two
from tests.wire.payments.operators.test_agreed_verbs import quoted


@pytest.fixture
async def pair(service: Service, engine: AsyncEngine) -> Two:
    return await two(service, engine)


async def found(engine: AsyncEngine) -> tuple[str, ...]:
    report = await PostgresAudit(engine, overdue_seconds=600).report()
    [finding] = [one for one in report.findings if one.invariant == OVERRIDDEN]
    assert finding.violations == len(finding.examples)
    return finding.examples


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("DELETE FROM rate_overrides", "no such override"),
        ("UPDATE proposals SET approver_person = proposer_person", "not agreed by two"),
        ("UPDATE proposals SET verb = 'RELEASE_HOLD'", "not agreed by two"),
        ("UPDATE proposals SET payload = '\\xff'", "not agreed by two"),
        ("UPDATE rate_overrides SET ended_at = starts_at - interval '1 day'", "not in force"),
        ("UPDATE rate_overrides SET corridor_id = 'us-mx'", "not agreed by two, another corridor"),
    ],
)
async def test_a_quote_by_an_override_that_does_not_hold_is_found(
    damage: str, fault: str, service: Service, pair: Two, engine: AsyncEngine
) -> None:
    await pair.approve(await pair.propose())
    quote = await quoted(service)
    assert await found(engine) == ()

    await run(engine, UNGUARDED, damage)

    assert await found(engine) == (f"{quote.quote_id} {fault}",)
