"""Payments are counted by what became of them: counted only once their time is over, by the days of
the week, and only as many as one count may look at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.principal import MerchantId
from services.payments.model.scoreboard import Figures
from services.payments.orders.store import scoreboard
from services.payments.orders.store.payments import PostgresPayments
from services.payments.orders.store.scoreboard import PostgresScoreboards
from services.shared.ids import new_id
from tests.golden import TERMS
from tests.makers import CONDITIONS, make_new_payment, make_priced_quote, make_quote

MERCHANT = MerchantId("sandbox")
HOUR = timedelta(hours=1)


def _id_of(at: datetime) -> UUID:
    """An id that is made at this time."""
    low = new_id().int & ((1 << 80) - 1)
    return UUID(int=int(at.timestamp() * 1000) << 80 | low)


async def _now(engine: AsyncEngine) -> datetime:
    async with engine.connect() as connection:
        return (await connection.execute(text("SELECT now()"))).scalar_one()


async def _add(
    engine: AsyncEngine,
    created_at: datetime,
    *,
    completed_after: timedelta | None = None,
    state: str = "COMPLETED",
    quoted_before: bool = False,
    priced: bool = True,
    disclosing: bool = True,
    **changes: Any,
) -> None:
    """A payment of that time, which was completed so much later."""
    quoted_at = created_at - timedelta(seconds=20) if quoted_before else created_at
    made = make_priced_quote() if priced else make_quote()
    merchant = changes.get("merchant_id", MERCHANT)
    quote = replace(
        made,
        merchant_id=merchant,
        conditions=replace(CONDITIONS, disclosure=TERMS if disclosing else None),
        created_at=quoted_at,
        expires_at=datetime(2126, 1, 1, tzinfo=UTC),
    )
    new = make_new_payment(quote=quote, id=_id_of(created_at), created_at=created_at, **changes)
    await PostgresPayments(engine).create([new])
    key = {"merchant": merchant, "id": new.payment.id}
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE payments SET state = :state WHERE merchant_id = :merchant AND id = :id"),
            {**key, "state": state},
        )
        if completed_after is None:
            return
        for sequence, before, after in ((7, "PAYING_OUT", 0), (8, "COMPLETED", 9)):
            await connection.execute(
                text(
                    "INSERT INTO payment_events VALUES (:merchant, :id, :sequence, :before,"
                    " 'COMPLETED', 'worker', 'payout_succeeded', '{}', '', :at)"
                ),
                {
                    **key,
                    "sequence": sequence,
                    "before": before,
                    "at": created_at + completed_after + timedelta(days=after),
                },
            )


async def _figures(engine: AsyncEngine, corridor_id: str = "us-ng") -> Figures:
    counted = await PostgresScoreboards(engine).count(MERCHANT)
    assert counted.all_counted
    return counted.figures.get(corridor_id, Figures())


async def test_a_payment_is_counted_once_its_time_is_over(engine: AsyncEngine) -> None:
    now = await _now(engine)
    await _add(engine, now - timedelta(minutes=59), completed_after=timedelta(minutes=1))
    assert (await _figures(engine)).within_hour.counted == 0

    await _add(engine, now - timedelta(minutes=61), completed_after=timedelta(minutes=60))
    await _add(engine, now - timedelta(minutes=62), completed_after=timedelta(minutes=61))
    await _add(engine, now - timedelta(minutes=63), state="PAYING_OUT")

    figures = await _figures(engine)
    assert (figures.payments, figures.within_hour.counted, figures.within_hour.reached) == (4, 3, 1)
    assert figures.within_day.counted == 0


@pytest.mark.parametrize(
    ("state", "counted", "reached"),
    [
        *((state, 0, 0) for state in ("CREATED", "COLLECTING", "FAILED", "CANCELLED", "EXPIRED")),
        *((state, 1, 0) for state in ("FUNDED", "PAYING_OUT", "RETURNED", "REFUNDED")),
        ("COMPLETED", 1, 1),
    ],
)
async def test_payments_whose_dollars_were_taken_count_and_returned_ones_have_not_arrived(
    engine: AsyncEngine, state: str, counted: int, reached: int
) -> None:
    await _add(
        engine,
        await _now(engine) - timedelta(days=5),
        completed_after=timedelta(minutes=1),
        state=state,
    )

    figures = await _figures(engine)

    assert figures.payments == counted
    for share in (figures.within_hour, figures.within_day):
        assert (share.counted, share.reached) == (counted, reached)


# Of November 2026: the 2nd is a Monday.
@pytest.mark.parametrize(
    ("created", "ends"),
    [
        ("2026-11-02 10:00", "2026-11-03 10:00"),
        ("2026-11-05 23:59", "2026-11-06 23:59"),
        ("2026-11-06 10:00", "2026-11-09 10:00"),
        ("2026-11-07 10:00", "2026-11-10 00:00"),
        ("2026-11-08 23:59", "2026-11-10 00:00"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
async def test_a_business_day_is_a_day_of_the_week_in_utc(
    engine: AsyncEngine, created: str, ends: str, zone: str
) -> None:
    query = f"""
        SELECT {scoreboard.DAY_ENDS} FROM (
            SELECT CAST('{created}+00' AS timestamptz) AT TIME ZONE 'UTC' AS at) AS p
    """
    async with engine.connect() as connection:
        await connection.execute(text(f"SET timezone = '{zone}'"))
        found = (await connection.execute(text(query))).scalar_one()

    assert found == datetime.fromisoformat(ends).replace(tzinfo=UTC)


async def test_a_price_was_disclosed_where_its_quote_was_asked_for_before_and_is_kept_whole(
    engine: AsyncEngine,
) -> None:
    now = await _now(engine)
    await _add(engine, now - HOUR, quoted_before=True)
    assert (await _figures(engine)).disclosed.reached == 1

    await _add(engine, now - HOUR, quoted_before=False)
    await _add(engine, now - HOUR, quoted_before=True, priced=False)
    await _add(engine, now - HOUR, quoted_before=True, disclosing=False)

    disclosed = (await _figures(engine)).disclosed
    assert (disclosed.counted, disclosed.reached) == (4, 1)


async def test_a_merchant_sees_its_own_payments_and_operators_see_all(engine: AsyncEngine) -> None:
    now = await _now(engine)
    await _add(engine, now - HOUR)
    await _add(engine, now - HOUR, merchant_id="mer_a")
    await _add(engine, now - HOUR, merchant_id="zzz", corridor_id="us-in")
    store = PostgresScoreboards(engine)

    own, everybody = await store.count(MERCHANT), await store.count(None)

    assert {name: one.payments for name, one in own.figures.items()} == {"us-ng": 1}
    assert {name: one.payments for name, one in everybody.figures.items()} == {
        "us-ng": 2,
        "us-in": 1,
    }
    assert (await store.count(MerchantId("nobody"))).figures == {}


async def test_payments_from_before_the_window_are_not_counted(engine: AsyncEngine) -> None:
    now = await _now(engine)
    await _add(engine, now - timedelta(days=30, minutes=5))
    await _add(engine, now - timedelta(days=29, hours=23))

    counted = await PostgresScoreboards(engine).count(MERCHANT)

    assert counted.figures["us-ng"].payments == 1
    assert timedelta(0) <= counted.counted_until - counted.counted_from - timedelta(days=30) < HOUR


@pytest.mark.parametrize("merchant", [MERCHANT, None])
async def test_of_too_many_payments_the_newest_are_counted_and_the_count_begins_there(
    engine: AsyncEngine, merchant: MerchantId | None
) -> None:
    now = await _now(engine)
    for days in (1, 2, 3):
        await _add(engine, now - timedelta(days=days))

    counted = await PostgresScoreboards(engine, counted_max=2).count(merchant)

    assert not counted.all_counted
    assert counted.counted_from == now - timedelta(days=2)
    assert counted.figures["us-ng"].payments == 2


@pytest.mark.parametrize("name", ["_COUNT_OF_MERCHANT", "_COUNT_OF_ALL"])
async def test_a_count_goes_by_keys_from_the_newest_payment_on(
    engine: AsyncEngine, name: str
) -> None:
    words = str(getattr(scoreboard, name))
    for parameter, value in (
        ("merchant_id", "'few'"),
        ("since", f"'{UUID(int=1)}'"),
        ("most", "9"),
    ):
        words = words.replace(f":{parameter}", value)
    async with engine.connect() as connection:
        await connection.execute(text("SET enable_seqscan = off"))
        plan = (await connection.execute(text(f"EXPLAIN {words}"))).scalars().all()

    newest = [line for line in plan if "on payments" in line]
    key = "payments_pkey" if name == "_COUNT_OF_MERCHANT" else "payments_id_idx"
    assert len(newest) == 1
    assert f"Index Scan Backward using {key}" in newest[0]
    assert not [line for line in plan if "Seq Scan" in line]
