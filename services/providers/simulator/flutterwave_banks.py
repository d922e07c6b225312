"""Flutterwave's calls that move nothing: banks of a country, the holder of an account, balances,
and the fee of a transfer."""

import json
from collections.abc import Callable

from aiohttp import web

from services.providers.simulator.accounts import BANKS, bank_of, holder_of
from services.providers.simulator.bearer import Handler
from services.providers.simulator.flutterwave_account import Account
from services.providers.simulator.flutterwave_transfers import (
    BALANCES,
    Json,
    Refused,
    fee_minor,
    known_currency,
    number_of,
    read_amount,
    success,
)

UNRESOLVED = "Sorry, recipient account could not be validated. Please try again"


class Banks:
    """The calls about banks, holders of accounts, the fee of a transfer, and balances."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def routes(self, answering: Callable[[Handler], Handler]) -> list[web.RouteDef]:
        """The calls that it serves."""
        return [
            web.get("/v3/banks/{country}", answering(self._banks)),
            web.post("/v3/accounts/resolve", answering(self._resolve)),
            web.get("/v3/transfers/fee", answering(self._fee)),
            web.get("/v3/balances", answering(self._balances)),
            web.get("/v3/balances/{currency}", answering(self._balance)),
        ]

    async def _banks(self, request: web.Request) -> web.Response:
        country = request.match_info["country"].upper()
        found = [
            {"id": number, "code": bank.code, "name": bank.name}
            for number, bank in enumerate(BANKS, 1)
            if bank.country == country
        ]
        if not found:
            raise Refused(400, "Invalid country code")
        return web.json_response(success("Banks fetched successfully", found))

    async def _resolve(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(400, "the body must be a JSON object")
        for name in ("account_number", "account_bank"):
            if not body.get(name):
                raise Refused(400, f"{name} is required")
        number = str(body["account_number"])
        holder = holder_of(number) if bank_of(str(body["account_bank"])) else None
        if holder is None:
            raise Refused(400, UNRESOLVED)
        data = {"account_number": number, "account_name": holder}
        return web.json_response(success("Account details fetched", data))

    async def _fee(self, request: web.Request) -> web.Response:
        currency = known_currency(request.query.get("currency", "NGN"))
        amount = request.query.get("amount", "")
        if not amount.isdecimal() or len(amount) > 12:
            raise Refused(400, "amount must be a positive number")
        fee = number_of(fee_minor(read_amount(int(amount), currency), currency), currency)
        data = [{"currency": currency, "fee_type": "value", "fee": fee}]
        return web.json_response(success("Transfer fee fetched", data))

    async def _balances(self, _: web.Request) -> web.Response:
        data = [self._of(currency) for currency in sorted(BALANCES)]
        return web.json_response(success("Wallet balances fetched", data))

    async def _balance(self, request: web.Request) -> web.Response:
        currency = known_currency(request.match_info["currency"])
        return web.json_response(success("Wallet balance fetched", self._of(currency)))

    def _of(self, currency: str) -> Json:
        balance = number_of(self._account.balance_minor(currency), currency)
        return {"currency": currency, "available_balance": balance, "ledger_balance": balance}
