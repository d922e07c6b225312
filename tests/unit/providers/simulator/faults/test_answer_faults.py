"""Answers that lie: about every amount in them, and about nothing that is no money."""

import json
from typing import Any

import pytest
from aiohttp import web

from services.providers.simulator.faults.answer_faults import EXTRA, HUGE_BYTES, lying, spoilt
from services.providers.simulator.faults.modes import Mode
from services.providers.simulator.faults.wire import Wire

WIRE = Wire(
    provider="acme",
    calls=(),
    amount_fields=frozenset({"amount"}),
    currency_field="currency",
    status_field="status",
    error=lambda status, message: {"error": message},
    mismatch=(409, {}),
    forget=lambda key: None,
)


@pytest.mark.parametrize(
    ("mode", "amount", "shown"),
    [
        (Mode.AMOUNT_PLUS, 14_486, 14_487),
        (Mode.AMOUNT_MINUS, 14_486, 14_485),
        (Mode.AMOUNT_PLUS, 1842.23, 1842.24),
        (Mode.AMOUNT_MINUS, "10.00", "9.99"),
        (Mode.NET_OF_FEE, 10_000, 9_850),
        (Mode.NET_OF_FEE, 1, 0),
        (Mode.NET_OF_FEE, 200.01, 197.01),
        (Mode.AMOUNT_PLUS, 0, 0),
        (Mode.AMOUNT_PLUS, None, None),
        (Mode.AMOUNT_PLUS, "much", "much"),
    ],
)
def test_an_amount_is_restated_in_its_own_type(mode: Mode, amount: Any, shown: Any) -> None:
    assert spoilt({"amount": amount}, {mode}, WIRE) == {"amount": shown}


def test_money_is_found_wherever_it_is() -> None:
    body = {"status": "success", "data": [{"amount": 5, "currency": "usd", "status": "PAID"}]}
    modes = {Mode.CURRENCY_SWAP, Mode.UNKNOWN_STATUS, Mode.AMOUNT_PLUS}

    shown = spoilt(body, modes, WIRE)

    lie = {"amount": 6, "currency": "eur", "status": "under_review_by_partner"}
    assert shown == {"status": "success", "data": [lie]}


def test_two_false_amounts_never_add_up_to_the_right_one() -> None:
    shown = spoilt({"amount": 5}, {Mode.AMOUNT_PLUS, Mode.AMOUNT_MINUS}, WIRE)

    assert shown["amount"] != 5


def test_another_currency_is_always_another() -> None:
    for currency, shown in {"USD": "EUR", "EUR": "USD", "inr": "usd"}.items():
        body = {"amount": 1, "currency": currency}
        assert spoilt(body, {Mode.CURRENCY_SWAP}, WIRE)["currency"] == shown


def test_more_fields_leave_the_others_alone() -> None:
    body = {"amount": 1, "currency": "USD"}

    assert spoilt(body, {Mode.EXTRA_FIELDS}, WIRE) == {**body, **EXTRA}


def test_an_error_keeps_its_amounts_but_may_lose_its_form() -> None:
    answer = web.json_response({"amount": 5}, status=402)

    assert lying(answer, {Mode.AMOUNT_PLUS}, WIRE).body == b'{"amount": 5}'
    with pytest.raises(UnicodeDecodeError):
        bytes(lying(answer, {Mode.INVALID_UTF8}, WIRE).body or b"").decode()  # type: ignore[arg-type]


def test_a_huge_answer_is_still_json_and_keeps_its_headers() -> None:
    answer = web.json_response({"amount": 5}, headers={"Request-Id": "req_1"})

    shown = lying(answer, {Mode.HUGE_BODY}, WIRE)

    body = shown.body
    assert isinstance(body, bytes)
    assert len(body) > HUGE_BYTES
    assert json.loads(body)["amount"] == 5
    assert (shown.headers["Request-Id"], shown.content_type) == ("req_1", "application/json")
