"""Nothing is done from a database that is older than what has happened; and while a provider has
not said what it has, nothing that may have been lost is sent or created again."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderCall
from services.payments.model.answer import NOT_COMPARED, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.payment import Payment
from services.payments.orders.store.payments import PostgresPayments
from services.payments.recovery.gates import (
    GatedCreations,
    GatedProviders,
    GatedWork,
    admit_readers,
)
from services.payments.recovery.ports import DatabaseOlder
from services.shared.contract import Access, PrincipalKind
from services.shared.errors import Unavailable
from tests.database.payments.recovery.lists import Lists, begun, listed, lost_key
from tests.makers import make_attempt, make_new_payment, make_payment


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


@pytest.mark.parametrize("silent", ["stripe", "local_wallet"])
@pytest.mark.parametrize("step", Step)
async def test_nothing_is_sent_for_an_earlier_payment_until_every_provider_has_answered(
    engine: AsyncEngine, silent: str, step: Step
) -> None:
    lists = Lists(**{silent: None})
    standing = await begun(engine, lists)
    inner: Any = Sending()
    call = _call(make_payment(), step)
    providers = GatedProviders(inner, standing)

    answers = [answer async for _, answer in providers.execute([call])]

    assert [(one.outcome, one.code) for one in answers] == [(Outcome.NOT_SENT, NOT_COMPARED)]
    assert inner.sent == []
    lists.known[silent] = ()
    await standing.compare()
    assert [answer.outcome async for _, answer in providers.execute([call])] == [Outcome.SUCCEEDED]


async def test_a_payment_that_was_created_since_is_sent_all_the_same(engine: AsyncEngine) -> None:
    standing = await begun(engine, Lists(local_wallet=None))
    inner: Any = Sending()
    later = replace(make_payment(), created_at=datetime.now(UTC) + timedelta(seconds=6))

    call = _call(later, Step.PAYOUT)
    [_ async for _ in GatedProviders(inner, standing).execute([call])]

    assert inner.sent == [call.attempt.key]


async def test_nothing_is_created_until_every_onramp_has_answered(engine: AsyncEngine) -> None:
    lists = Lists(stripe=None, local_wallet=None)
    standing = await begun(engine, lists)
    store: Any = GatedCreations(PostgresPayments(engine), standing)
    new = make_new_payment()

    with pytest.raises(Unavailable):
        await store.create([new])

    assert (await store.answers([new.key]))[1] == {}
    lists.known["stripe"] = ()
    await standing.compare()
    (created,) = await store.create([new])
    assert created.response == new.response


async def test_nothing_is_created_in_an_older_database(engine: AsyncEngine) -> None:
    standing = await begun(engine, Lists(stripe=[listed(lost_key())]))

    with pytest.raises(DatabaseOlder):
        await GatedCreations(PostgresPayments(engine), standing).create([make_new_payment()])


async def test_nothing_at_all_is_sent_from_an_older_database(engine: AsyncEngine) -> None:
    standing = await begun(engine, Lists(stripe=[listed(lost_key())]))
    inner: Any = Sending()
    call = _call(make_payment(), Step.PAYOUT)

    answers = [one async for one in GatedProviders(inner, standing).execute([call])]

    assert [answer.outcome for _, answer in answers] == [Outcome.NOT_SENT]
    assert inner.sent == []
