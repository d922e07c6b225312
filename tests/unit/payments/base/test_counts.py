"""A state that a payment came to is counted with the provider and the money that it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from services.payments.base.counts import count_created, count_move
from services.payments.model.payment import Payment, State
from services.shared.money import Money
from tests.makers import make_payment

CORRIDOR = "us-counted"


def _payment(**changes: object) -> Payment:
    return replace(
        make_payment(), corridor_id=CORRIDOR, onramp="stripe", offramp="paystack", **changes
    )


def _value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"corridor": CORRIDOR, **labels})


def test_a_new_payment_counts_its_amount_at_the_onramp() -> None:
    count_created(_payment())

    labels = {"state": "CREATED", "provider": "stripe"}
    assert _value("caravel_payments_total", **labels) == 1
    assert _value("caravel_payments_value_minor_total", **labels, currency="USD") == 10_000


def test_a_completed_payment_counts_its_payout_at_the_offramp_and_is_timed() -> None:
    payment = _payment(created_at=datetime.now(UTC) - timedelta(minutes=2))

    count_move(payment, payment, State.COMPLETED)

    labels = {"state": "COMPLETED", "provider": "paystack"}
    payout = payment.terms.payout
    assert _value("caravel_payments_total", **labels) == 1
    value = _value("caravel_payments_value_minor_total", **labels, currency=payout.currency)
    assert value == payout.amount_minor
    assert _value("caravel_payment_completion_seconds_bucket", le="60.0") == 0
    assert _value("caravel_payment_completion_seconds_bucket", le="300.0") == 1


@pytest.mark.parametrize(
    ("before", "now", "counted"), [(2_000, 5_000, 3_000), (5_000, 2_000, 0)], ids=["more", "less"]
)
def test_a_refund_counts_what_it_gave_back(before: int, now: int, counted: int) -> None:
    labels = {"state": "REFUNDED", "provider": "stripe", "currency": "USD"}
    earlier = _value("caravel_payments_value_minor_total", **labels) or 0

    was, is_now = (_payment(refunded=Money(minor, "USD")) for minor in (before, now))
    count_move(was, is_now, State.REFUNDED)

    assert _value("caravel_payments_value_minor_total", **labels) == earlier + counted
