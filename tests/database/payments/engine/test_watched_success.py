"""A success about which its provider is asked without an answer, on a real database: since when,
and how often, stays with its attempt."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Answer, Outcome
from tests.database.payments.engine.carried import SUCCEEDED, carry, create, settle
from tests.poison import rows

UNKNOWN = Answer(outcome=Outcome.UNKNOWN)


async def test_a_success_keeps_since_when_nobody_says_whether_it_stands(
    engine: AsyncEngine,
) -> None:
    payment = await create(engine)
    await carry(engine)
    kept = []
    for answer in (UNKNOWN, UNKNOWN, SUCCEEDED):
        await settle(engine, payment, answer)
        (row,) = await rows(
            engine,
            "SELECT unknown_since, inconclusive_count FROM attempts WHERE step = 'payout'",
        )
        kept.append(tuple(row))

    since = kept[0][0]
    assert since is not None
    assert kept == [(since, 1), (since, 2), (None, 0)]
