"""Questions that move no money: what a transfer would cost, what a rate is, what is left to pay out
of. No payment depends on them; operators and the live-sandbox test ask them."""

from decimal import Decimal

import aiohttp

from services.providers.adapters.flutterwave.amounts import to_number
from services.providers.adapters.flutterwave.api import Api, as_object
from services.providers.adapters.flutterwave.settings import FlutterwaveSettings
from services.providers.adapters.kit.amounts import major_units
from services.providers.adapters.kit.http import AnswerInvalid
from services.shared.money import EXACT, Money


class Inquiries:
    """Asks one account. Every question raises what NO_ANSWER lists."""

    def __init__(self, settings: FlutterwaveSettings, session: aiohttp.ClientSession) -> None:
        self._api = Api(settings, session)

    async def balance(self, currency: str) -> Money:
        """The balance that can be paid out in a currency."""
        balance = as_object(await self._ask(f"/balances/{currency}"))
        return _money(balance.get("available_balance"), balance.get("currency"), currency)

    async def fee(self, amount: Money) -> Money:
        """Flutterwave's fee for a transfer of this amount, in its currency."""
        query = {"amount": _text(amount), "currency": amount.currency}
        fees = await self._ask("/transfers/fee", query)
        if not isinstance(fees, list) or len(fees) != 1:
            raise AnswerInvalid("not one fee")
        fee = as_object(fees[0])
        if fee.get("fee_type") != "value":
            raise AnswerInvalid("a fee that is no amount")
        return _money(fee.get("fee"), fee.get("currency"), amount.currency)

    async def rate(self, source: str, destination: Money) -> Decimal:
        """Units of the destination's currency for one unit of the source's.

        Flutterwave says it the other way round: the amount asked about is the destination's, and
        its rate is units of the source for one of the destination.
        """
        query = {
            "amount": _text(destination),
            "destination_currency": destination.currency,
            "source_currency": source,
        }
        answer = as_object(await self._ask("/transfers/rates", query))
        meant = as_object(answer.get("destination"))
        if major_units(meant.get("amount"), meant.get("currency")) != destination:
            raise AnswerInvalid("a rate for another amount")
        if as_object(answer.get("source")).get("currency") != source:
            raise AnswerInvalid("a rate from another currency")
        return EXACT.divide(Decimal(1), _positive(answer.get("rate")))

    async def _ask(self, path: str, query: dict[str, str] | None = None) -> object:
        envelope = await self._api.get(path, query)
        if not envelope.succeeded:
            raise AnswerInvalid(f"Flutterwave answered {envelope.http_status}")
        return envelope.data


def _text(amount: Money) -> str:
    number = to_number(amount)
    if number is None:
        raise ValueError(f"Flutterwave has no unit small enough for {amount} {amount.currency}")
    return f"{number:f}"


def _money(number: object, stated: object, currency: str) -> Money:
    money = major_units(number, stated)
    if money is None or money.currency != currency:
        raise AnswerInvalid(f"no amount of {currency}")
    return money


def _positive(number: object) -> Decimal:
    if type(number) is int:
        number = Decimal(number)
    if not isinstance(number, Decimal) or not number.is_finite() or not 0 < number < 10**12:
        raise AnswerInvalid("a rate that is none")
    return number
