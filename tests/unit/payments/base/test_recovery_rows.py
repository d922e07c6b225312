"""The text that a collection takes to its onramp says what was agreed, and names no person."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from services.payments.base.idempotency import digests_of
from services.payments.base.recovery_rows import LENGTH_MAX, Lost, read_recovery, recovery_text
from services.payments.model.payer import PresentPayer
from services.payments.model.payment import Payment
from services.payments.model.principal import MerchantId
from services.payments.model.quote import RefundFees
from services.shared.recipients import NO_RECIPIENT
from tests.makers import ADA, USER, make_payment


def _payment(**changes: Any) -> Payment:
    key, request = digests_of((MerchantId("sandbox"), "order-7"), b"fingerprint")
    return make_payment(key_digest=key, request_digest=request, **changes)


def _read(payment: Payment, text: str | None = None) -> Lost | None:
    return read_recovery(payment.id, recovery_text(payment) if text is None else text)


def test_the_terms_are_read_again() -> None:
    payment = _payment(refund_fees=RefundFees.KEPT)

    lost = _read(payment)

    assert lost is not None
    agreed = replace(payment, user_id=lost.payment.user_id, recipient=NO_RECIPIENT, trace_id="")
    assert lost.payment == agreed
    assert (lost.quote.terms, lost.quote.payment_id) == (payment.terms, payment.id)


def test_nothing_of_a_person_is_in_the_text() -> None:
    payment = _payment(
        reference="for Ada",
        payment_method="pm_7",
        payer=PresentPayer(return_url="https://a.example"),
    )

    text = recovery_text(payment)

    persons = (USER, ADA.holder_name, ADA.wallet_id, "Ada", "pm_7", "a.example", "order-7")
    assert not [word for word in persons if str(word) in text]


def test_a_payment_without_digests_has_no_text() -> None:
    assert recovery_text(make_payment()) == ""


def test_a_text_that_is_too_long_for_providers_stops_no_payment() -> None:
    payment = _payment()
    many = tuple(f"provider_{number}" for number in range(400))

    assert recovery_text(replace(payment, route=replace(payment.route, offramps=many))) == ""
    assert len(recovery_text(payment)) < LENGTH_MAX // 2


CHANGED: dict[str, dict[str, Any]] = {
    "a larger payout": {"payout_minor": 99_999_999},
    "a net that is not the amount less the fee": {"net_minor": 1},
    "a fee that no line has": {"fees": []},
    "no merchant": {"merchant_id": None},
    "a quote that is no id": {"quote_id": "quo_1"},
    "a time without its zone": {"created_at": "2026-11-30T10:00:00"},
    "an infinite rate": {"rate": "Infinity"},
    "a route that is none": {"route": []},
    "a digest that is none": {"request_digest": "short"},
    "a later version": {"v": 2},
    "an unknown currency": {"destination_currency": "XXX"},
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_text_that_was_changed_is_none(name: str) -> None:
    payment = _payment()
    changed = {**orjson.loads(recovery_text(payment)), **CHANGED[name]}

    assert _read(payment, orjson.dumps(changed).decode()) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"v":1}'])
def test_a_text_of_somebody_else_is_none(text: str) -> None:
    assert _read(_payment(), text) is None
