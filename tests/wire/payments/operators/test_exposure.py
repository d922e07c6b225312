"""Operators see the positions of the book; at a limit no new payment is priced, and the payments
and quotes that exist go on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from caravel.payments.v1 import exposure_pb2, payments_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.makers import USER
from tests.wire.payments.calls import new_key, order
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.operators.calls import refused


@pytest.fixture
async def limited(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Service]:
    """A service that may owe a thousand naira."""
    file = tmp_path / "exposure.toml"
    file.write_text('[maximum_owed]\nNGN = "1000.00"\n')
    async with serving_payments(engine, CORRIDORS, exposure_limits=file) as service:
        yield service


async def _owe(
    engine: AsyncEngine, owed_minor: int, *, currency: str = "NGN", merchant: str = "sandbox"
) -> None:
    """As if payments had been exchanged."""
    async with engine.begin() as connection:
        for code, minor in ((currency, owed_minor), ("USD", -100)):
            await connection.execute(
                text("INSERT INTO balances VALUES (:merchant, :account, :currency, :minor, now())"),
                {
                    "merchant": merchant,
                    "account": f"fx:position:{code}",
                    "currency": code,
                    "minor": minor,
                },
            )
        await connection.execute(
            text("INSERT INTO balances VALUES (:merchant, 'payments:NGN', 'NGN', -5, now())"),
            {"merchant": merchant},
        )


async def test_operators_see_the_positions_of_all_merchants(
    limited: Service, engine: AsyncEngine
) -> None:
    await _owe(engine, 40_000)
    await _owe(engine, 50_000, merchant="mer_2")
    await limited.exposure.look()

    shown = await limited.inspection.GetExposure(exposure_pb2.GetExposureRequest())

    naira, dollars = shown.positions
    assert (naira.currency, naira.position, naira.worth_usd) == ("NGN", "-900.00", "-0.59")
    assert (naira.maximum_owed, naira.limit_reached) == ("1000.00", False)
    assert naira.rate_trail.mid_rate == "1530.25"
    assert (dollars.currency, dollars.position, dollars.worth_usd) == ("USD", "2.00", "2.00")
    assert shown.unrealised_result_usd == "1.41"
    assert not shown.currencies_without_rate
    assert shown.HasField("seen_at")


async def test_before_the_first_look_there_is_no_answer(limited: Service) -> None:
    call = limited.inspection.GetExposure(exposure_pb2.GetExposureRequest())

    assert (await refused(call))[1] == "SERVICE_UNAVAILABLE"


async def test_at_the_limit_no_new_payment_is_priced_and_an_open_quote_still_holds(
    limited: Service, engine: AsyncEngine
) -> None:
    await limited.exposure.look()
    asked = payments_pb2.CreateQuoteRequest(amount_usd="100.00", destination_currency="NGN")
    quote = await limited.payments.CreateQuote(asked)
    await _owe(engine, 100_000)
    await limited.exposure.look()

    for call in (
        limited.payments.CreateQuote(asked),
        limited.payments.CreatePayment(order(), metadata=new_key()),
    ):
        assert await refused(call) == ("UNAVAILABLE", "EXPOSURE_LIMIT_REACHED", "60")

    request = payments_pb2.CreatePaymentRequest(
        user_id=str(USER),
        amount_usd="100.00",
        destination_currency="NGN",
        quote_id=quote.quote_id,
    )
    payment = await limited.payments.CreatePayment(request, metadata=new_key())
    assert payment.quote_id == quote.quote_id


async def test_a_currency_without_a_rate_is_named(limited: Service, engine: AsyncEngine) -> None:
    await _owe(engine, 40_000, currency="CHF")
    await limited.exposure.look()

    shown = await limited.inspection.GetExposure(exposure_pb2.GetExposureRequest())

    assert list(shown.currencies_without_rate) == ["CHF"]
    assert shown.unrealised_result_usd == ""
