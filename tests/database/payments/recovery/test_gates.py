"""Nothing is done from a database that is older than what has happened; and while a provider has
not said what it has, nothing that may have been lost is sent or created again."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderCall
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.payment import Payment
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.store.payments import PostgresPayments
from services.payments.recovery.gates import (
    GatedCreations,
    GatedProviders,
    GatedVerbs,
    GatedWork,
    admit_readers,
)
from services.payments.recovery.ports import DatabaseOlder, NotCompared
from services.shared.contract import Access, PrincipalKind
from tests.database.payments.engine.carried import create
from tests.database.payments.recovery.lists import SOURCES, Lists, begun, listed, lost_key
from tests.makers import make_attempt, make_new_payment, make_payment
from tests.poison import run


async def test_a_worker_begins_no_transaction_on_it(engine: AsyncEngine) -> None:
    standing = await begun(engine, Lists(stripe=[listed(lost_key())]))
    work = GatedWork(PostgresWork(engine), standing)

    with pytest.raises(DatabaseOlder):
        async with work.begin():
            pass


ACCESS: dict[str, tuple[Access, bool]] = {
    "creation": (
        Access(principal=PrincipalKind.MERCHANT, scopes=frozenset({"payments:create"})),
        True,
    ),
    "event": (Access(principal=PrincipalKind.PROVIDER_EVENT, scopes=frozenset()), True),
    "read": (Access(principal=PrincipalKind.MERCHANT, scopes=frozenset({"payments:read"})), False),
}


@pytest.mark.parametrize("name", ACCESS)
async def test_calls_that_only_read_are_answered(engine: AsyncEngine, name: str) -> None:
    standing = await begun(engine, Lists(stripe=[listed(lost_key())]))
    access, is_refused = ACCESS[name]

    try:
        admit_readers(standing, access)
    except DatabaseOlder:
        assert is_refused
    else:
        assert not is_refused


class Sending:
    """Providers that take all that they are sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        for call in calls:
            self.sent.append(call.attempt.key)
            yield call.attempt.key, Answer(outcome=Outcome.SUCCEEDED)


def _call(payment: Payment, step: Step) -> ProviderCall:
    attempt: Attempt = make_attempt(payment, step, AttemptState.SENT)
    return ProviderCall(payment=payment, attempt=attempt)


SILENT = pytest.mark.parametrize("silent", ["stripe", "local_wallet"])


async def _claimed(work: GatedWork, *, careful: bool) -> int:
    async with work.begin() as transaction:
        if careful:
            terms = {"limit": 9, "lease_seconds": 30, "failed_before": False}
            return len(await transaction.claim_counted("test", **terms))
        return len(await transaction.claim("test", limit=9, lease_seconds=30))


@SILENT
@pytest.mark.parametrize("careful", [False, True])
async def test_no_earlier_payment_is_claimed_until_every_provider_has_answered(
    engine: AsyncEngine, silent: str, careful: bool
) -> None:
    await create(engine)
    lists = Lists(**{silent: None})
    standing = await begun(engine, lists)
    work = GatedWork(PostgresWork(engine), standing)

    assert await _claimed(work, careful=careful) == 0
    lists.known[silent] = ()
    await standing.compare()
    assert await _claimed(work, careful=careful) == 1


@SILENT
async def test_an_earlier_payment_is_not_cancelled_until_every_provider_has_answered(
    engine: AsyncEngine, silent: str
) -> None:
    payment = await create(engine)
    merchant_id: Any = payment.merchant_id
    lists = Lists(**{silent: None})
    standing = await begun(engine, lists)
    store: Any = GatedVerbs(PostgresWork(engine), standing)
    cancelling = Cancelling(store)

    with pytest.raises(NotCompared):
        await cancelling.cancel(merchant_id, payment.transaction_id)

    assert (await PostgresPayments(engine).get(merchant_id, payment.id)).state == "CREATED"
    lists.known[silent] = ()
    await standing.compare()
    assert (await cancelling.cancel(merchant_id, payment.transaction_id)).state == "CANCELLED"


async def test_a_payment_that_was_created_since_is_worked_on_all_the_same(
    engine: AsyncEngine,
) -> None:
    standing = await begun(engine, Lists(local_wallet=None))
    payment = await create(engine)
    await run(engine, "UPDATE payments SET created_at = now() + interval '6 seconds'")
    work: Any = GatedWork(PostgresWork(engine), standing)

    async with work.begin() as transaction:
        assert (await transaction.claim_one(payment.merchant_id, payment.id)).payment
    assert await _claimed(work, careful=False) == 1


async def test_a_provider_that_is_taken_out_of_the_deployment_is_waited_for_no_longer(
    engine: AsyncEngine,
) -> None:
    lists = Lists(local_wallet=None)
    standing = await begun(engine, lists)
    assert standing.takes_created_after is not None

    lists.all_sources = SOURCES[:1]
    await standing.compare()

    assert standing.takes_created_after is None


async def test_nothing_is_created_until_every_onramp_has_answered(engine: AsyncEngine) -> None:
    lists = Lists(stripe=None, local_wallet=None)
    standing = await begun(engine, lists)
    store: Any = GatedCreations(PostgresPayments(engine), standing)
    new = make_new_payment()

    refused = await store.create([new, new])

    assert [type(one) for one in refused] == [NotCompared, NotCompared]
    assert (await store.answers([new.key]))[1] == {}
    lists.known["stripe"] = ()
    await standing.compare()
    (created,) = await store.create([new])
    assert created.response == new.response


async def test_nothing_is_created_in_an_older_database(engine: AsyncEngine) -> None:
    standing = await begun(engine, Lists(stripe=[listed(lost_key())]))

    store = GatedCreations(PostgresPayments(engine), standing)
    (refused,) = await store.create([make_new_payment()])

    assert isinstance(refused, DatabaseOlder)


async def test_nothing_at_all_is_sent_from_an_older_database(engine: AsyncEngine) -> None:
    standing = await begun(engine, Lists(stripe=[listed(lost_key())]))
    inner: Any = Sending()
    call = _call(make_payment(), Step.PAYOUT)

    answers = [one async for one in GatedProviders(inner, standing).execute([call])]

    assert [answer.outcome for _, answer in answers] == [Outcome.NOT_SENT]
    assert inner.sent == []
