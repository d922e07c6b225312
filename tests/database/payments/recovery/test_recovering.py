"""A restored database is recovered by what providers have: a payment goes on only where its next
attempts are the very ones that they have, and every other one is held, or listed for a person."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer
from services.payments.model.attempt import Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Payment
from services.payments.recovery.rebuilding import Rebuilding
from services.payments.recovery.recovering import Recovering, Report
from services.payments.recovery.standing import Standing
from services.payments.recovery.store.lost import PostgresLostPayments
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.recovery.store.rebuilt import PostgresRebuiltPayments
from services.payments.webhooks_out.convert import encode_event
from services.shared.errors import Unavailable
from tests.database.payments.engine.carried import DECIDER, carry, create
from tests.database.payments.recovery.drill import NOT_ASKED, PAID, PENDING, SILENT, Providers
from tests.database.payments.recovery.lists import Lists, listed, lost_key
from tests.makers import CAPABILITIES
from tests.poison import run

ADA = Operator(name="ada", note="a drill", person="operator:ada")
SOURCES = (
    ("stripe", Step.COLLECTION),
    ("stripe", Step.REFUND),
    ("local_wallet", Step.PAYOUT),
    ("bank", Step.PAYOUT),
    ("paystack", Step.PAYOUT),
)


async def _recover(engine: AsyncEngine, said: Answer = PAID, **known: Any) -> Report:
    lists = Lists(**known)
    lists.all_sources = SOURCES
    return await _recovering(engine, lists, said).recover(ADA)


def _recovering(engine: AsyncEngine, lists: Lists, said: Answer = PAID) -> Recovering:
    payments = PostgresLostPayments(engine, encode_event, DECIDER)
    found = [one.key for each in lists.known.values() for one in each or ()]
    providers: Any = Providers(dict.fromkeys(found, said))
    rebuilding = Rebuilding(providers, PostgresRebuiltPayments(engine, encode_event), CAPABILITIES)
    return Recovering(PostgresMarks(engine), lists, payments, rebuilding, CAPABILITIES)


def _key(payment: Payment, step: Step, number: int = 1) -> str:
    return f"{payment.transaction_id}-{step}-{number}"


async def _row(engine: AsyncEngine, query: str, payment: Payment) -> Any:
    async with engine.connect() as connection:
        return (await connection.execute(text(query), {"id": payment.id})).one_or_none()


_PAYMENT = "SELECT state, hold_reason FROM payments WHERE id = :id"
_ATTEMPT = "SELECT key, state, provider_reference, sends FROM attempts WHERE payment_id = :id"


async def test_the_attempt_that_would_be_next_counts_as_sent(engine: AsyncEngine) -> None:
    payment = await create(engine)
    key = _key(payment, Step.COLLECTION)

    pending = replace(PENDING, provider_reference="pi_1")
    report = await _recover(engine, pending, stripe=[listed(key, provider_reference="pi_1")])

    assert report.is_accepted
    assert set(report.goes_on) == {payment.transaction_id}
    assert tuple(await _row(engine, _PAYMENT, payment)) == ("COLLECTING", None)
    assert tuple(await _row(engine, _ATTEMPT, payment)) == (key, "SENT", "pi_1", 1)


async def test_the_payout_that_would_follow_needs_no_person(engine: AsyncEngine) -> None:
    payment = await create(engine)

    report = await _recover(
        engine,
        stripe=[listed(_key(payment, Step.COLLECTION))],
        local_wallet=[listed(_key(payment, Step.PAYOUT))],
    )

    assert set(report.goes_on) == {payment.transaction_id}
    assert tuple(await _row(engine, _PAYMENT, payment)) == ("COMPLETED", None)


async def test_an_intent_that_another_database_has_sent_counts_as_sent(engine: AsyncEngine) -> None:
    payment = await create(engine)
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.claim("test", limit=10, lease_seconds=30)
        await transaction.write([DECIDER.plan(work).change])
        await transaction.commit()
    await run(engine, "UPDATE payments SET lease_until = NULL")
    key = _key(payment, Step.COLLECTION)

    report = await _recover(engine, PENDING, stripe=[listed(key)])

    assert set(report.goes_on) == {payment.transaction_id}
    assert (await _row(engine, _ATTEMPT, payment)).state == "SENT"


OTHERS: dict[str, dict[str, tuple[Step, int]]] = {
    "a payout by another rail": {"paystack": (Step.PAYOUT, 1)},
    "a later payout": {"local_wallet": (Step.PAYOUT, 2)},
    "a later collection": {"stripe": (Step.COLLECTION, 2)},
    "a refund": {"stripe": (Step.REFUND, 1)},
}
STATES = {
    "a payout by another rail": "ACTION_REQUIRED",
    "a later payout": "ACTION_REQUIRED",
    "a later collection": "COLLECTING",
    "a refund": "REFUNDING",
}


def _others(payment: Payment, name: str) -> dict[str, Any]:
    return {
        provider: [listed(_key(payment, *lost), provider_reference="x_7")]
        for provider, lost in OTHERS[name].items()
    }


@pytest.mark.parametrize("name", OTHERS)
async def test_a_payment_with_another_story_is_held_where_that_story_took_it(
    engine: AsyncEngine, name: str
) -> None:
    payment = await create(engine)
    known = _others(payment, name)
    collection = listed(_key(payment, Step.COLLECTION), provider_reference="pi_1")
    known["stripe"] = [*known.get("stripe", []), collection]

    report = await _recover(engine, **known)

    assert report.is_accepted
    assert set(report.held) == {payment.transaction_id}
    assert report.explained.transaction_ids == ()
    assert tuple(await _row(engine, _PAYMENT, payment)) == (STATES[name], "recovered")
    on_record = f"{_ATTEMPT} AND provider_reference = 'x_1' AND moved_minor > 0"
    assert await _row(engine, on_record, payment)
    logged = "SELECT provider_answer FROM operator_actions WHERE CAST(:id AS uuid) IS NOT NULL"
    assert "x_7" in (await _row(engine, logged, payment)).provider_answer


@pytest.mark.parametrize("name", ["a payout by another rail", "a later payout", "a refund"])
async def test_a_payment_without_its_collection_is_held_and_listed(
    engine: AsyncEngine, name: str
) -> None:
    payment = await create(engine)

    report = await _recover(engine, **_others(payment, name))

    assert not report.is_accepted
    assert set(report.not_held) == {payment.transaction_id}
    assert tuple(await _row(engine, _PAYMENT, payment)) == ("CREATED", "recovered")


@pytest.mark.parametrize("said", [SILENT, NOT_ASKED])
async def test_a_payment_is_held_and_listed_until_its_providers_answer(
    engine: AsyncEngine, said: Answer
) -> None:
    payment = await create(engine)
    await carry(engine)
    known: dict[str, Any] = {"bank": [listed(_key(payment, Step.PAYOUT, 2))]}

    first = await _recover(engine, said, **known)
    second = await _recover(engine, **known)

    assert set(first.not_held) == set(second.held) == {payment.transaction_id}
    assert (first.is_accepted, second.is_accepted) == (False, True)
    assert tuple(await _row(engine, _PAYMENT, payment)) == ("COMPLETED", "recovered")


async def test_a_payment_that_would_expire_by_now_is_held(engine: AsyncEngine) -> None:
    payment = await create(engine)
    past = "quote_expires_at = now() - interval '1 day', created_at = now() - interval '1 day'"
    await run(engine, f"UPDATE payments SET {past}")

    report = await _recover(engine, stripe=[listed(_key(payment, Step.COLLECTION))])

    assert set(report.held) == {payment.transaction_id}


async def test_a_payment_that_nobody_knows_is_listed_and_nothing_is_accepted(
    engine: AsyncEngine,
) -> None:
    key = lost_key()
    report = await _recover(engine, stripe=[listed(key)])

    standing = Standing(PostgresMarks(engine), Lists(), grows=True)
    await standing.look()

    assert not report.is_accepted
    assert set(report.unknown) == {key.partition("-")[0]}
    with pytest.raises(Unavailable):
        standing.refuse()


async def test_a_payment_that_a_worker_has_is_listed(engine: AsyncEngine) -> None:
    payment = await create(engine)
    await run(engine, "UPDATE payments SET lease_until = now() + interval '1 minute'")

    report = await _recover(engine, stripe=[listed(_key(payment, Step.COLLECTION))])

    assert not report.is_accepted
    assert set(report.not_held) == {payment.transaction_id}


async def test_a_digest_of_a_payment_is_named_by_what_else_it_lost(engine: AsyncEngine) -> None:
    payment = await create(engine)
    key = _key(payment, Step.PAYOUT)

    class Digests(Lists):
        async def read(self, provider: str, step: Step, **asked: Any) -> Any:
            page = await super().read(provider, step, **asked)
            if provider != "paystack" or key in asked["expected_keys"]:
                return page
            names = [one.provider_reference for one in page.operations]
            digests = [listed("", provider_reference=name) for name in names]
            return type(page)(operations=tuple(digests))

    lists = Digests(paystack=[listed(key, provider_reference="tr_1")])
    lists.all_sources = SOURCES
    lists.known["stripe"] = [listed(_key(payment, Step.COLLECTION))]

    report = await _recovering(engine, lists).recover(ADA)

    assert set(report.held) == {payment.transaction_id}
    assert any(key in story for story in report.held[payment.transaction_id])


async def test_it_may_be_done_again(engine: AsyncEngine) -> None:
    held, gone_on = await create(engine), await create(engine)
    known: dict[str, Any] = {
        "stripe": [
            *(listed(_key(one, Step.COLLECTION)) for one in (held, gone_on)),
            listed(lost_key()),
        ],
        "paystack": [listed(_key(held, Step.PAYOUT, 2))],
    }

    first = await _recover(engine, **known)
    second = await _recover(engine, **known)

    assert set(first.goes_on) == {gone_on.transaction_id}
    assert set(first.held) == {held.transaction_id}
    assert not second.held
    assert tuple(await _row(engine, _PAYMENT, held)) == ("ACTION_REQUIRED", "recovered")
    assert second.unknown.keys() == first.unknown.keys()


async def test_nothing_is_accepted_while_a_provider_is_away(engine: AsyncEngine) -> None:
    payment = await create(engine)
    marks = PostgresMarks(engine)
    await marks.find("restored")

    with pytest.raises(Unavailable):
        await _recover(engine, stripe=[listed(_key(payment, Step.COLLECTION))], paystack=None)

    assert (await marks.read()).finding == "restored"
    assert tuple(await _row(engine, _PAYMENT, payment)) == ("CREATED", None)


async def test_a_database_that_knows_all_is_accepted(engine: AsyncEngine) -> None:
    await PostgresMarks(engine).find("a false alarm")

    report = await _recover(engine)

    mark = await PostgresMarks(engine).read()
    assert report.is_accepted
    assert mark.finding == ""
    assert mark.accepted_at
    assert abs(mark.accepted_at - datetime.now(UTC)) < timedelta(minutes=1)
