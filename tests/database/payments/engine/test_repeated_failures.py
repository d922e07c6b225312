"""Some providers name an event by its content, so that the return of a payout that had failed has
the name of that failure. It is asked about all the same."""

from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Outcome
from services.payments.model.attempt import Step
from services.payments.model.payment import Payment, State
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Receipt
from tests.database.payments.engine.test_late_success import (
    REFUSED,
    SUCCEEDED,
    _holds,
    _now,
    _report,
    _turn,
)
from tests.makers import make_new_payment
from tests.poison import rows

FAILED = Outcome.FAILED
_ON_SUSPENSE = "SELECT sum(abs(balance_minor)) FROM balances WHERE account LIKE 'suspense:%'"


async def _says_failed(engine: AsyncEngine, payment: Payment) -> Receipt:
    return await _report(engine, payment, Step.PAYOUT, 1, event_id="failed", outcome=FAILED)


async def _failed(engine: AsyncEngine) -> Payment:
    """A payout that failed, as an event said as well; another event says that it was paid since."""
    new = make_new_payment()
    payment = new.payment
    await PostgresPayments(engine).create([new])
    await _turn(engine, {(Step.PAYOUT, 1): replace(SUCCEEDED, outcome=Outcome.PENDING)})
    assert await _says_failed(engine, payment) is Receipt.ACCEPTED
    await _turn(engine, {(Step.PAYOUT, 1): REFUSED})
    assert await _says_failed(engine, payment) is Receipt.DUPLICATE
    await _report(engine, payment, Step.PAYOUT, 1, event_id="paid")
    return payment


async def _failed_then_succeeded(engine: AsyncEngine) -> Payment:
    """The same, and its provider says so too."""
    payment = await _failed(engine)
    await _turn(engine, {(Step.PAYOUT, 1): SUCCEEDED})
    assert (await _now(engine, payment)).hold_reason == "late_success"
    assert (await rows(engine, _ON_SUSPENSE))[0][0] > 0
    return payment


async def test_a_late_success_that_comes_back_by_an_event_of_a_known_name_leaves_suspense(
    engine: AsyncEngine,
) -> None:
    payment = await _failed_then_succeeded(engine)

    assert await _says_failed(engine, payment) is Receipt.ACCEPTED
    assert await _says_failed(engine, payment) is Receipt.DUPLICATE
    await _turn(engine, {(Step.PAYOUT, 1): REFUSED})

    assert (await rows(engine, _ON_SUSPENSE))[0][0] == 0
    assert await _says_failed(engine, payment) is Receipt.DUPLICATE
    await _holds(engine)


async def test_a_return_that_comes_while_the_late_success_is_not_applied_yet_is_kept(
    engine: AsyncEngine,
) -> None:
    payment = await _failed(engine)

    assert await _says_failed(engine, payment) is Receipt.ACCEPTED
    assert await _says_failed(engine, payment) is Receipt.DUPLICATE
    await _turn(engine, {(Step.PAYOUT, 1): REFUSED})

    assert (await rows(engine, _ON_SUSPENSE))[0][0] in (None, 0)
    await _holds(engine)


async def test_an_old_failure_that_comes_again_takes_no_late_success_back(
    engine: AsyncEngine,
) -> None:
    payment = await _failed_then_succeeded(engine)

    assert await _says_failed(engine, payment) is Receipt.ACCEPTED
    await _turn(engine, {(Step.PAYOUT, 1): SUCCEEDED})

    assert (await rows(engine, _ON_SUSPENSE))[0][0] > 0
    assert await _says_failed(engine, payment) is Receipt.DUPLICATE
    await _holds(engine)


@pytest.mark.parametrize(("answer", "state"), [(REFUSED, "RETURNED"), (SUCCEEDED, "COMPLETED")])
async def test_a_payout_that_counts_is_asked_about_although_the_name_of_its_failure_is_known(
    engine: AsyncEngine, answer: object, state: str
) -> None:
    """The failure was an older one, and the payout succeeded."""
    new = make_new_payment()
    payment = new.payment
    await PostgresPayments(engine).create([new])
    await _turn(engine, {(Step.PAYOUT, 1): replace(SUCCEEDED, outcome=Outcome.PENDING)})
    await _says_failed(engine, payment)
    await _turn(engine, {(Step.PAYOUT, 1): SUCCEEDED})
    assert (await _now(engine, payment)).state is State.COMPLETED

    assert await _says_failed(engine, payment) is Receipt.ACCEPTED
    await _turn(engine, {(Step.PAYOUT, 1): answer})  # type: ignore[dict-item]

    assert (await _now(engine, payment)).state == state
    assert await _says_failed(engine, payment) is Receipt.DUPLICATE
    await _holds(engine)
