"""A recovery that was started is carried to its end by one process at a time: where that one dies,
another goes on, and everybody sees how far it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.attempt import Step
from services.payments.model.operator import ActionFilter
from services.payments.operators.accepting import Accepting
from services.payments.operators.domain import Action
from services.payments.operators.finding import DatabaseNotOlder, RecoveryRunning
from services.payments.operators.policy import USUAL, ApprovalRequired, Policy, SecondPerson
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.trail import Trail
from services.payments.recovery.course import Recovery, RecoveryState
from services.payments.recovery.ports import Explained, Fate
from services.payments.recovery.recovering import Kept, Recovering, Report
from services.payments.recovery.report import report_of
from services.payments.recovery.running import Running
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.recovery.store.recoveries import PostgresRecoveries
from services.shared.db_errors import DatabaseUnavailable
from services.shared.errors import Unavailable
from tests.database.payments.recovery.drill import ADA, PAID, Drill, make_lost, recovering

COLLECTED = {("stripe", Step.COLLECTION, 1): PAID}
NAMELESS = {("stripe", Step.REFUND, 1): PAID}
ONE_PERSON = Policy(second_person=SecondPerson(RATE_OVERRIDE=USUAL.second_person.RATE_OVERRIDE))


class Died(Exception):
    """The process is gone."""


class Dying:
    """A course whose process dies once a payment was decided, and before it could say so."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    async def found(self, payments: Mapping[str, Sequence[str]]) -> None:
        await self._kept.found(payments)

    async def decided(self, name: str, report: Report) -> None:
        raise Died

    async def explained(self, explained: Explained) -> None:
        raise AssertionError


def _running(engine: AsyncEngine, drills: Sequence[Drill]) -> Running:
    async def made() -> Recovering:
        return recovering(drills)

    return Running(PostgresRecoveries(engine), made)


def _lost(engine: AsyncEngine, *, number: int = 2, known: Any = COLLECTED) -> list[Drill]:
    return [Drill(engine, make_lost(f"order-{one}"), known) for one in range(number)]


async def _newest(engine: AsyncEngine) -> Recovery:
    recovery = (await PostgresRecoveries(engine).standing()).recovery
    assert recovery is not None
    return recovery


async def _fates(engine: AsyncEngine) -> dict[str, Fate | None]:
    found = await PostgresRecoveries(engine).payments(fate=None, after=None, limit=100)
    return {one.name: one.fate for one in found}


async def _actions(engine: AsyncEngine, action: str) -> int:
    wanted = ActionFilter(action=action)
    return len(await PostgresOperations(engine).actions(wanted, before=None, limit=10))


async def test_it_ends_with_the_fate_of_each_payment_and_the_value_that_is_explained(
    engine: AsyncEngine,
) -> None:
    drills = _lost(engine)
    await PostgresRecoveries(engine).begin(ADA)

    await _running(engine, drills).work()

    recovery, mark = await _newest(engine), await PostgresMarks(engine).read()
    found = await PostgresRecoveries(engine).payments(fate=None, after=None, limit=100)
    report = report_of(recovery, found)
    assert (recovery.state, recovery.fates) == (RecoveryState.ACCEPTED, {Fate.MADE_AGAIN: 2})
    assert report.is_accepted
    assert set(report.rebuilt) == {one.payment.transaction_id for one in drills}
    assert report.explained.balances
    assert (mark.finding, recovery.operator.name) == ("", "ada")
    assert await _actions(engine, "START_RECOVERY") == 1


async def test_a_second_start_is_the_first(engine: AsyncEngine) -> None:
    recoveries = PostgresRecoveries(engine)
    await recoveries.begin(ADA)
    first = await _newest(engine)

    await recoveries.begin(ADA)

    assert await _newest(engine) == first
    assert await _actions(engine, "START_RECOVERY") == 1


async def test_another_process_goes_on_where_one_has_died(engine: AsyncEngine) -> None:
    drills, recoveries = _lost(engine), PostgresRecoveries(engine)
    await recoveries.begin(ADA)
    with pytest.raises(Died):
        async with recoveries.taken() as course:
            assert course is not None
            await recovering(drills).recover(ADA, Dying(course))
    halfway = await _newest(engine)

    await _running(engine, drills).work()

    assert (halfway.state, halfway.decided, halfway.open) == (RecoveryState.RUNNING, 0, 2)
    assert (await _newest(engine)).state is RecoveryState.ACCEPTED
    names = [one.payment.transaction_id for one in drills]
    assert await _fates(engine) == dict.fromkeys(names, Fate.MADE_AGAIN)
    await drills[0].assert_all_holds()


async def test_the_log_says_the_fate_that_a_dead_process_could_not_say(
    engine: AsyncEngine,
) -> None:
    recoveries = PostgresRecoveries(engine)
    await recoveries.begin(ADA)

    async with recoveries.taken() as course:
        assert course is not None
        await course.found({name: [f"stripe has {name}"] for name in ("pay_a", "pay_b", "pay_c")})
        async with PostgresOperations(engine).begin() as transaction:
            await transaction.log(ADA, Action.PLACE_HOLD, "pay_a")
            await transaction.commit()
        await course.explained(Explained(transaction_ids=("pay_b",), balances={}))

    assert await _fates(engine) == {
        "pay_a": Fate.HELD,
        "pay_b": Fate.MADE_AGAIN,
        "pay_c": Fate.GOES_ON,
    }


async def test_no_two_processes_work_on_it_at_once(engine: AsyncEngine) -> None:
    recoveries = PostgresRecoveries(engine)
    await recoveries.begin(ADA)

    async with recoveries.taken() as first, recoveries.taken() as second:
        pass
    async with recoveries.taken() as third:
        pass

    assert first is not None
    assert second is None
    assert third is not None


async def test_the_work_ends_with_the_session_that_has_the_lock(engine: AsyncEngine) -> None:
    drills, recoveries = _lost(engine, number=1), PostgresRecoveries(engine)
    await recoveries.begin(ADA)

    with pytest.raises(DatabaseUnavailable):
        async with recoveries.taken() as course:
            assert course is not None
            await _end_session_with_the_lock(engine)
            await recovering(drills).recover(ADA, course)

    assert (await _newest(engine)).state is RecoveryState.RUNNING
    assert await _fates(engine) == {}


async def _end_session_with_the_lock(engine: AsyncEngine) -> None:
    query = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    async with engine.connect() as connection:
        assert (await connection.execute(text(query))).scalars().all() == [True]


async def test_without_a_provider_it_fails_and_a_new_one_can_be_started(
    engine: AsyncEngine,
) -> None:
    drills, recoveries = _lost(engine), PostgresRecoveries(engine)
    await PostgresMarks(engine).find("restored")

    async def away() -> Recovering:
        raise Unavailable("wise cannot answer now")

    await recoveries.begin(ADA)
    await Running(recoveries, away).work()
    failed, mark = await _newest(engine), await PostgresMarks(engine).read()
    await recoveries.begin(ADA)
    await _running(engine, drills).work()

    assert (failed.state, failed.failure) == (RecoveryState.FAILED, "wise cannot answer now")
    assert mark.finding == "restored"
    assert (await _newest(engine)).state is RecoveryState.ACCEPTED


async def test_it_leaves_undecided_what_a_person_has_to_see_to(engine: AsyncEngine) -> None:
    drills = _lost(engine, number=1, known=NAMELESS)
    await PostgresRecoveries(engine).begin(ADA)

    await _running(engine, drills).work()

    assert (await _newest(engine)).state is RecoveryState.UNDECIDED
    assert await _fates(engine) == {drills[0].payment.transaction_id: Fate.UNKNOWN}
    assert (await PostgresMarks(engine).read()).finding


def _accepting(engine: AsyncEngine, policy: Policy = ONE_PERSON) -> Accepting:
    operations = PostgresOperations(engine)
    return Accepting(operations, policy, Trail(operations))


async def test_a_database_is_accepted_with_its_reason_in_the_log(engine: AsyncEngine) -> None:
    await PostgresMarks(engine).find("a false alarm")

    await _accepting(engine).accept(ADA)

    standing = await PostgresRecoveries(engine).standing()
    assert (standing.finding, standing.accepted_by, standing.accept_reason) == (
        "",
        "ada",
        "a drill",
    )
    assert await _actions(engine, "ACCEPT_DATABASE") == 1


async def test_it_is_not_accepted_while_a_recovery_decides(engine: AsyncEngine) -> None:
    recoveries = PostgresRecoveries(engine)
    await PostgresMarks(engine).find("restored")
    await recoveries.begin(ADA)

    async with recoveries.taken():
        with pytest.raises(RecoveryRunning):
            await _accepting(engine).accept(ADA)
    # Nobody works on it any more.
    await _accepting(engine).accept(ADA)

    assert (await _newest(engine)).state is RecoveryState.ACCEPTED


async def test_nothing_is_accepted_where_nobody_has_found_anything(engine: AsyncEngine) -> None:
    with pytest.raises(DatabaseNotOlder):
        await _accepting(engine).accept(ADA)

    assert (await PostgresMarks(engine).read()).accepted_at is None


async def test_one_person_accepts_only_where_the_policy_lets_one(engine: AsyncEngine) -> None:
    await PostgresMarks(engine).find("restored")

    with pytest.raises(ApprovalRequired):
        await _accepting(engine, USUAL).accept(ADA)

    assert (await PostgresMarks(engine).read()).finding == "restored"
