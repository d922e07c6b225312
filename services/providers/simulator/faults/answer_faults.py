"""Answers and events that lie about the operation: about its money, its status, or their own form.
The real effects are in the book, which no fault touches."""

import json
from collections.abc import Callable, Container
from decimal import Decimal
from typing import Any

from aiohttp import web

from services.providers.simulator.faults.modes import Mode
from services.providers.simulator.faults.wire import Wire

# More than anybody should read as an answer of a few kilobytes.
HUGE_BYTES = 1024 * 1024
FEE_SHARE = Decimal("0.015")
STRANGE_STATUS = "under_review_by_partner"
OTHER_CURRENCY = {"USD": "EUR"}
EXTRA = {"x_trace": {"hops": [1, 2, 3]}, "x_amount": "1.00", "x_status": "failed"}


def _plus_one(amount: Decimal) -> Decimal:
    return amount + _last_digit(amount)


def _minus_one(amount: Decimal) -> Decimal:
    return amount - _last_digit(amount)


def _less_fee(amount: Decimal) -> Decimal:
    fee = (amount * FEE_SHARE).quantize(_last_digit(amount))
    return amount - max(fee, _last_digit(amount))


AMOUNT_LIES: dict[Mode, Callable[[Decimal], Decimal]] = {
    Mode.AMOUNT_PLUS: _plus_one,
    Mode.AMOUNT_MINUS: _minus_one,
    Mode.NET_OF_FEE: _less_fee,
}


def spoilt(body: Any, active: Container[Mode], wire: Wire) -> Any:
    """The JSON, with every object in it that names money or a status lying as asked."""
    if isinstance(body, list):
        return [spoilt(one, active, wire) for one in body]
    if not isinstance(body, dict):
        return body
    shown = {name: spoilt(value, active, wire) for name, value in body.items()}
    amounts = wire.amount_fields & shown.keys()
    # One lie at a time: of several, one could take back what another has added.
    lie = next((lie for mode, lie in AMOUNT_LIES.items() if mode in active), None)
    if lie is not None:
        shown |= {name: _restated(shown[name], lie) for name in amounts}
    # An object without money is an envelope, whose status is another one.
    if amounts and Mode.CURRENCY_SWAP in active and wire.currency_field in shown:
        shown[wire.currency_field] = _swapped(shown[wire.currency_field])
    if Mode.UNKNOWN_STATUS in active:
        names = {wire.event_status_field, *((wire.status_field,) if amounts else ())}
        shown |= dict.fromkeys(names & shown.keys(), STRANGE_STATUS)
    return {**shown, **EXTRA} if Mode.EXTRA_FIELDS in active else shown


def lying(answer: web.Response, active: Container[Mode], wire: Wire) -> web.Response:
    """The answer as the modes change it; errors keep their money and status."""
    body = bytes(answer.body) if isinstance(answer.body, bytes | bytearray) else b""
    if answer.status < 300:
        body = json.dumps(spoilt(json.loads(body), active, wire)).encode()
    if Mode.INVALID_UTF8 in active:
        body = body.replace(b'"', b'"\xff\xfe', 1)
    if Mode.HUGE_BODY in active:
        body = body[:-1] + b', "x_padding": "' + b"x" * HUGE_BYTES + b'"}'
    headers = {
        name: value for name, value in answer.headers.items() if not name.startswith("Content-")
    }
    return web.Response(
        status=answer.status, body=body, headers=headers, content_type=answer.content_type
    )


def _restated(value: object, change: Callable[[Decimal], Decimal]) -> object:
    """The number by another amount, in the type that it came in; nothing stays nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not value:
        return value
    try:
        changed = change(Decimal(str(value)))
    except ArithmeticError:
        return value
    return type(value)(changed)


def _last_digit(amount: Decimal) -> Decimal:
    return Decimal(1).scaleb(int(amount.as_tuple().exponent))


def _swapped(currency: str) -> str:
    other = OTHER_CURRENCY.get(currency.upper(), "USD")
    return other if currency.isupper() else other.lower()
