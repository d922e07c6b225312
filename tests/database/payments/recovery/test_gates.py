"""Nothing is done from a database that is older than what has happened, and nothing is sent to a
provider that has not said what it has."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderCall
from services.payments.model.attempt import Answer, Attempt, AttemptState, Outcome, Step
from services.payments.model.payment import Payment
from services.payments.recovery.gates import GatedProviders, GatedWork, admit_readers
from services.payments.recovery.ports import DatabaseOlder
from services.shared.contract import Access, PrincipalKind
from tests.database.payments.recovery.lists import Lists, begun, listed, lost_key
from tests.makers import make_attempt, make_payment


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


async def test_nothing_is_sent_to_a_provider_that_has_not_said_what_it_has(
    engine: AsyncEngine,
) -> None:
    lists = Lists(stripe=None)
    standing = await begun(engine, lists)
    inner: Any = Sending()
    calls = [_call(make_payment(), step) for step in (Step.COLLECTION, Step.PAYOUT)]
    providers = GatedProviders(inner, standing)

    answers = dict([one async for one in providers.execute(calls)])

    assert answers[calls[0].attempt.key].outcome is Outcome.NOT_SENT
    assert inner.sent == [calls[1].attempt.key]
    lists.known["stripe"] = ()
    await standing.compare()
    assert [one async for one in providers.execute(calls[:1])] != []
    assert inner.sent[-1] == calls[0].attempt.key


async def test_nothing_at_all_is_sent_from_an_older_database(engine: AsyncEngine) -> None:
    standing = await begun(engine, Lists(stripe=[listed(lost_key())]))
    inner: Any = Sending()
    call = _call(make_payment(), Step.PAYOUT)

    answers = [one async for one in GatedProviders(inner, standing).execute([call])]

    assert [answer.outcome for _, answer in answers] == [Outcome.NOT_SENT]
    assert inner.sent == []
