"""The route of a corrected payment on a real database: that of the recipient whom it shows."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.payment import State
from services.payments.orders.correcting import Correcting
from tests.database.payments.orders.test_correcting import (
    FIRST,
    OLD,
    SUCCEEDED,
    _carry,
    _holds,
    _now,
    _order,
    _refused,
    _release,
    correcting,
)
from tests.poison import rows, run

__all__ = ["correcting"]
OTHER = """
    UPDATE payments SET route = jsonb_set(route, '{offramps}', route->'offramps' || '["paystack"]')
"""


async def test_the_recipient_that_was_paid_comes_with_the_route_of_then(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _refused(engine)
    await correcting.correct(_order(payment))
    kept = "SELECT route IS NOT NULL, recipient IS NOT NULL FROM attempts WHERE step = 'payout'"
    assert await rows(engine, kept) == [(True, True)]
    await run(engine, OTHER)

    await _carry(engine, {FIRST: SUCCEEDED})
    await _release(engine, payment)
    await _carry(engine, {FIRST: SUCCEEDED})

    done = await _now(engine, payment)
    assert (done.state, done.recipient) == (State.COMPLETED, OLD)
    assert (done.route, done.offramp) == (payment.route, payment.offramp)
    await _holds(engine)
