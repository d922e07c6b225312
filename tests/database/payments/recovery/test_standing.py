"""A database that is older than what has happened is noticed by what providers have, at the start
and later, and by its own mark while a process looks on, until an operator accepts it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only, greenlet_spawn

from services.payments.mesh.ports import ListedOperation, OperationPage
from services.payments.model.attempt import Step
from services.payments.recovery.ports import DatabaseOlder, Mark
from services.payments.recovery.standing import WENT_BACK, Standing
from services.payments.recovery.store.marks import PostgresMarks
from services.shared.errors import NotFound, Unavailable
from tests.database.payments.engine.carried import carry, create
from tests.database.payments.recovery.lists import Lists, NamedLater, begun, listed, lost_key

_ATTEMPTS = "SELECT provider, key, provider_reference FROM attempts"


async def _attempts(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text(_ATTEMPTS))
        return [(row.provider, row.key, row.provider_reference) for row in rows]


async def _set(engine: AsyncEngine, change: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE database_mark SET {change}"))


async def _met(standing: Standing, mark: Mark) -> None:
    """A new connection reads this mark, while the process itself looks."""

    def read_slowly() -> Mark:
        await_only(standing.look())
        return mark

    await greenlet_spawn(standing.meet, read_slowly)


def _refuses(standing: Standing) -> bool:
    try:
        standing.refuse()
    except DatabaseOlder:
        return True
    return False


@pytest.fixture
async def known(engine: AsyncEngine) -> AsyncIterator[dict[str, list[ListedOperation]]]:
    """The operations of one payment at its providers, all of which the database knows."""
    await create(engine)
    await carry(engine)
    found: dict[str, list[ListedOperation]] = {}
    for provider, key, reference in await _attempts(engine):
        of_provider = listed(key, provider_reference=reference)
        found.setdefault(provider, []).append(of_provider)
    assert set(found) == {"stripe", "local_wallet"}
    yield found


async def test_a_database_that_knows_all_is_as_new(engine: AsyncEngine, known: Any) -> None:
    standing = await begun(engine, Lists(**known))

    assert not _refuses(standing)
    assert standing.takes_created_after is None
    assert REGISTRY.get_sample_value("caravel_database_older") == 0


async def test_an_operation_of_an_unknown_payment_says_that_it_is_older(
    engine: AsyncEngine, known: Any
) -> None:
    lost = listed(lost_key())
    standing = await begun(engine, Lists(**{**known, "stripe": [lost, *known["stripe"]]}))

    assert _refuses(standing)
    assert REGISTRY.get_sample_value("caravel_database_older") == 1
    assert lost.key in (await PostgresMarks(engine).read()).finding


async def test_a_next_attempt_of_a_known_payment_says_so_too(
    engine: AsyncEngine, known: Any
) -> None:
    (first,) = known["local_wallet"]
    second = listed(first.key.replace("-payout-1", "-payout-2"))

    assert _refuses(await begun(engine, Lists(local_wallet=[second])))


async def test_an_operation_at_another_rail_than_ours_says_so_too(
    engine: AsyncEngine, known: Any
) -> None:
    (ours,) = known["local_wallet"]

    # The same key, at a provider where the database has not sent it.
    lists = Lists(paystack=[listed(ours.key)])
    lists.all_sources = (("paystack", Step.PAYOUT),)
    assert _refuses(await begun(engine, lists))


async def test_an_operation_from_before_our_own_try_says_so_too(
    engine: AsyncEngine, known: Any
) -> None:
    (ours,) = known["local_wallet"]
    before = listed(ours.key, created_at=datetime.now(UTC) - timedelta(minutes=5))

    assert _refuses(await begun(engine, Lists(local_wallet=[before])))


async def test_a_digest_is_known_by_the_providers_id(engine: AsyncEngine, known: Any) -> None:
    (ours,) = known["local_wallet"]
    digest = listed("", provider_reference=ours.provider_reference)
    other = listed("", provider_reference="tr_lost")

    assert not _refuses(await begun(engine, Lists(local_wallet=[digest])))
    assert _refuses(await begun(engine, Lists(local_wallet=[digest, other])))


async def test_a_list_of_digests_gets_the_keys_that_it_may_name(
    engine: AsyncEngine, known: Any
) -> None:
    lists = Lists(**known)

    await begun(engine, lists)

    (ours,) = known["local_wallet"]
    assert [keys for name, _, keys in lists.asked if name == "local_wallet"] == [[ours.key]]


async def test_an_operation_that_began_while_a_list_of_digests_was_read_is_no_finding(
    engine: AsyncEngine, known: Any
) -> None:
    (ours,) = known["local_wallet"]

    lists = NamedLater(local_wallet=[replace(ours, provider_reference="tr_new")])
    assert not _refuses(await begun(engine, lists))


async def test_a_database_without_any_payment_is_compared_too(engine: AsyncEngine) -> None:
    assert _refuses(await begun(engine, Lists(stripe=[listed(lost_key())])))


async def test_it_is_noticed_later_as_well_as_at_the_start(engine: AsyncEngine) -> None:
    lists = Lists()
    standing = await begun(engine, lists)
    assert not _refuses(standing)

    lists.known["stripe"] = [listed(lost_key())]
    await standing.compare()

    assert _refuses(standing)


async def test_other_processes_learn_it_from_the_database(engine: AsyncEngine) -> None:
    other = await begun(engine, Lists(), grows=False)
    await begun(engine, Lists(stripe=[listed(lost_key())]))

    await other.look()

    assert _refuses(other)


@pytest.mark.parametrize("grows", [True, False])
async def test_a_mark_that_goes_back_is_noticed_at_the_next_look(
    engine: AsyncEngine, grows: bool
) -> None:
    worker = await begun(engine, Lists())
    watching = worker if grows else await begun(engine, Lists(), grows=False)
    for _ in range(5):
        await worker.look()
    await watching.look()

    await _set(engine, "mark = 2")
    await watching.look()

    assert _refuses(watching)
    assert (await PostgresMarks(engine).read()).finding == WENT_BACK


class BesideAnOldPrimary(PostgresMarks):
    """While `reads_old`, what is read comes from a primary of before, and what is written goes to
    the new one."""

    reads_old = True

    async def read(self) -> Mark:
        mark = await super().read()
        return replace(mark, number=mark.number - 3) if self.reads_old else mark

    async def unknown(
        self, provider: str, listed: Sequence[ListedOperation]
    ) -> Sequence[ListedOperation]:
        return listed if self.reads_old else await super().unknown(provider, listed)


async def test_a_process_that_reads_an_old_primary_refuses_until_it_reads_the_new_one(
    engine: AsyncEngine,
) -> None:
    worker, marks = await begun(engine, Lists()), BesideAnOldPrimary(engine)
    for _ in range(5):
        await worker.look()
    marks.reads_old = False
    reader = Standing(marks, Lists(), grows=False)
    await reader.begin()

    marks.reads_old = True
    await reader.look()
    assert _refuses(reader)

    marks.reads_old = False
    await reader.look()
    assert not _refuses(reader)
    assert (await marks.read()).finding == ""


async def test_an_operation_that_an_old_primary_does_not_know_is_no_finding(
    engine: AsyncEngine, known: Any
) -> None:
    marks = BesideAnOldPrimary(engine)

    standing = Standing(marks, Lists(**known), grows=True)
    await standing.begin()

    assert not _refuses(standing)
    assert (await marks.read()).finding == ""


async def test_two_workers_make_it_grow_and_neither_sees_it_go_back(engine: AsyncEngine) -> None:
    workers = [await begun(engine, Lists()) for _ in range(2)]

    for _ in range(3):
        for worker in workers:
            await worker.look()

    assert not any(_refuses(worker) for worker in workers)
    assert (await PostgresMarks(engine).read()).number == 6


async def test_a_mark_that_grew_while_a_new_connection_read_it_has_not_gone_back(
    engine: AsyncEngine,
) -> None:
    standing = await begun(engine, Lists())
    before = await PostgresMarks(engine).read()

    await _met(standing, before)

    assert not _refuses(standing)
    # The same number is smaller than what the process knew before the next connection.
    await greenlet_spawn(standing.meet, lambda: before)
    assert _refuses(standing)


async def test_a_mark_that_was_accepted_while_a_new_connection_read_it_has_not_gone_back(
    engine: AsyncEngine,
) -> None:
    standing, marks = await begun(engine, Lists()), PostgresMarks(engine)
    for _ in range(5):
        await standing.look()
    await _set(engine, "mark = 2")
    await marks.accept(accepted_by="ada", reason="a drill")
    accepted = await marks.read()

    await _met(standing, accepted)

    assert not _refuses(standing)


async def test_a_restored_database_is_compared_since_its_own_last_time(
    engine: AsyncEngine,
) -> None:
    await _set(engine, "compared_at = now() - interval '3 days'")
    lists = Lists()

    await begun(engine, lists)

    assert all(since < datetime.now(UTC) - timedelta(days=3) for _, since, _ in lists.asked)


async def test_the_next_comparison_goes_on_where_all_had_answered(engine: AsyncEngine) -> None:
    await _set(engine, "compared_at = now() - interval '3 days'")
    lists = Lists(stripe=None)
    standing = await begun(engine, lists)
    lists.known["stripe"] = ()

    await standing.compare()
    first = len(lists.asked)
    await standing.look()
    await standing.compare()

    assert all(since < datetime.now(UTC) - timedelta(days=3) for _, since, _ in lists.asked[:first])
    assert all(since > datetime.now(UTC) - timedelta(days=3) for _, since, _ in lists.asked[first:])


async def test_a_provider_that_has_no_list_is_no_hindrance(engine: AsyncEngine) -> None:
    class Without(Lists):
        async def read(self, *_: Any, **__: Any) -> OperationPage:
            raise NotFound

    standing = await begun(engine, Without())

    assert standing.takes_created_after is None


async def test_a_process_that_starts_waits_for_onramps_that_start_beside_it(
    engine: AsyncEngine,
) -> None:
    class Starting(Lists):
        tries = 0

        async def sources(self) -> Sequence[tuple[str, Step]]:
            self.tries += 1
            if self.tries < 3:
                raise Unavailable
            return await super().sources()

    standing = Standing(PostgresMarks(engine), Starting(), grows=False)
    await standing.begin()

    standing.refuse_creation()


async def test_an_operator_who_accepts_it_lets_all_go_on(engine: AsyncEngine) -> None:
    lists = Lists(stripe=[listed(lost_key())])
    standing = await begun(engine, lists)

    await PostgresMarks(engine).accept(accepted_by="ada", reason="a drill")
    await standing.look()
    await standing.compare()

    # The operation is still there, and was made before.
    assert not _refuses(standing)


@pytest.mark.parametrize("accepted_at", ["NULL", "accepted_at - interval '1 day'"])
async def test_a_copy_from_before_an_acceptance_is_older(
    engine: AsyncEngine, accepted_at: str
) -> None:
    await PostgresMarks(engine).accept(accepted_by="ada", reason="a drill")
    standing = await begun(engine, Lists())
    for _ in range(5):
        await standing.look()

    await _set(engine, f"mark = 1, accepted_at = {accepted_at}")
    await standing.look()

    assert _refuses(standing)


async def test_an_attempt_that_never_left_is_not_the_operation_of_its_provider(
    engine: AsyncEngine,
) -> None:
    await create(engine)
    await carry(engine)
    (key,) = [key for provider, key, _ in await _attempts(engine) if provider == "local_wallet"]
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE attempts SET state = 'FAILED', failure_code = 'never_left', "
                "sent_at = NULL, provider_reference = '' WHERE key = :key"
            ),
            {"key": key},
        )

    standing = await begun(engine, Lists(local_wallet=[listed(key)]))

    assert _refuses(standing)


async def test_an_accepted_database_is_older_again_where_more_has_happened(
    engine: AsyncEngine,
) -> None:
    standing = await begun(engine, Lists(stripe=[listed(lost_key())]))
    await PostgresMarks(engine).accept(accepted_by="ada", reason="a drill")
    await standing.look()

    made_at = datetime.now(UTC) + timedelta(minutes=2)
    later = await begun(engine, Lists(stripe=[listed(listed(lost_key()).key, created_at=made_at)]))

    assert not _refuses(standing)
    assert _refuses(later)


async def test_a_process_starts_while_nobody_can_say_what_there_is_and_sends_nothing(
    engine: AsyncEngine,
) -> None:
    class Away(Lists):
        async def sources(self) -> Sequence[tuple[str, Step]]:
            raise Unavailable

    standing = await begun(engine, Away())

    assert standing.takes_created_after is not None
    assert not _refuses(standing)
