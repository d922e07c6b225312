"""A state that a payment came to is counted after the commit, and not before."""

from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.orders.store.payments import PostgresPayments
from tests.makers import CAPABILITIES, make_new_payment

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)


def _counted(state: str) -> float:
    labels = {"state": state, "corridor": "us-ng", "provider": "stripe"}
    return REGISTRY.get_sample_value("caravel_payments_total", labels) or 0


async def _plan(engine: AsyncEngine, *, commit: bool) -> None:
    async with PostgresWork(engine).begin() as transaction:
        claimed = await transaction.claim("test", limit=1, lease_seconds=30)
        await transaction.write([DECIDER.plan(work).change for work in claimed])
        if commit:
            await transaction.commit()


async def test_a_state_is_counted_once_it_is_committed(engine: AsyncEngine) -> None:
    created, collecting = _counted("CREATED"), _counted("COLLECTING")

    await PostgresPayments(engine).create([make_new_payment()])
    assert _counted("CREATED") == created + 1

    await _plan(engine, commit=False)
    assert _counted("COLLECTING") == collecting

    await _plan(engine, commit=True)
    assert _counted("COLLECTING") == collecting + 1


async def test_a_payment_that_exists_already_is_not_counted_again(engine: AsyncEngine) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    created = _counted("CREATED")

    await PostgresPayments(engine).create([make_new_payment(key=new.key[1])])

    assert _counted("CREATED") == created
