"""Paystack's calls that only show: banks, the holder of an account, the balance, and the lists of
recipients and transfers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from aiohttp import web

from services.providers.simulator.accounts import BANKS, COUNTRIES, bank_of, holder_of
from services.providers.simulator.bearer import Handler, Refusal
from services.providers.simulator.paystack_objects import (
    Json,
    bank_shown,
    error,
    page,
    recipient_shown,
    success,
)

CURRENCIES = ("GHS", "KES", "NGN", "ZAR")


class Refused(Refusal):
    """A request that Paystack does not take."""

    def __init__(
        self, status: int, code: str, message: str, error_type: str = "validation_error"
    ) -> None:
        super().__init__(status, message, error(code, message, error_type))


class Known(Protocol):
    """All that there is to show."""

    def recipients(self) -> Iterable[Json]:
        """All recipients, oldest first."""
        ...

    def transfers(self) -> Iterable[Json]:
        """All transfers as they are shown, oldest first."""
        ...


class Reads:
    """The calls of Paystack that change nothing."""

    def __init__(self, known: Known, balance_minor: int) -> None:
        self._known = known
        self._balance_minor = balance_minor

    def routes(self, answering: Callable[[Handler], Handler]) -> list[web.RouteDef]:
        """The calls that it serves."""
        return [
            web.get("/bank", answering(self._banks)),
            web.get("/bank/resolve", answering(self._resolve)),
            web.get("/balance", answering(self._balance)),
            web.get("/transferrecipient", answering(self._recipients)),
            web.get("/transferrecipient/{code}", answering(self._recipient)),
            web.get("/transfer", answering(self._transfers)),
            web.get("/transfer/{code}", answering(self._transfer)),
        ]

    async def _banks(self, request: web.Request) -> web.Response:
        wanted = {
            "country": request.query.get("country", "").lower(),
            "currency": request.query.get("currency", "").upper(),
            "type": request.query.get("type", ""),
        }
        if wanted["country"] not in ("", *(name.lower() for name in COUNTRIES.values())):
            raise Refused(400, "invalid_params", "Invalid country")
        found = [
            bank_shown(bank)
            for bank in BANKS
            if wanted["country"] in ("", COUNTRIES[bank.country].lower())
            and wanted["currency"] in ("", bank.currency)
            and wanted["type"] in ("", bank.kind)
        ]
        shown, meta = _page(found, request)
        meta = {"next": None, "previous": None, "perPage": meta["perPage"]}
        return success(200, "Banks retrieved", shown, meta=meta)

    async def _resolve(self, request: web.Request) -> web.Response:
        number = request.query.get("account_number", "")
        code = request.query.get("bank_code", "")
        if not number:
            raise Refused(400, "missing_params", "Account number is required")
        if not number.isdecimal():
            raise Refused(400, "invalid_params", "Account number should be numeric")
        bank = bank_of(code)
        if bank is None:
            raise Refused(400, "invalid_bank_code", "Unknown bank code: " + code[:20])
        holder = holder_of(number)
        if holder is None:
            words = "Could not resolve account name. Check parameters or try again."
            raise Refused(422, "invalid_bank_code", words)
        data = {"account_number": number, "account_name": holder, "bank_id": bank_shown(bank)["id"]}
        return success(200, "Account number resolved", data)

    async def _balance(self, _: web.Request) -> web.Response:
        data = [{"currency": name, "balance": self._balance_minor} for name in CURRENCIES]
        return success(200, "Balances retrieved", data)

    async def _recipients(self, request: web.Request) -> web.Response:
        found = [recipient_shown(one) for one in self._known.recipients()][::-1]
        shown, meta = _page(found, request)
        return success(200, "Recipients retrieved", shown, meta=meta)

    async def _recipient(self, request: web.Request) -> web.Response:
        wanted = request.match_info["code"]
        for one in self._known.recipients():
            if wanted in (one["recipient_code"], str(one["id"])):
                return success(200, "Recipient retrieved", recipient_shown(one))
        raise Refused(404, "recipient_not_found", "Recipient not found")

    async def _transfers(self, request: web.Request) -> web.Response:
        status = request.query.get("status", "")
        first, last = _time(request, "from"), _time(request, "to")
        found = [
            one
            for one in self._known.transfers()
            if status in ("", one["status"])
            and (first is None or first <= datetime.fromisoformat(one["createdAt"]))
            and (last is None or datetime.fromisoformat(one["createdAt"]) <= last)
        ][::-1]
        shown, meta = _page(found, request)
        return success(200, "Transfers retrieved", shown, meta=meta)

    async def _transfer(self, request: web.Request) -> web.Response:
        wanted = request.match_info["code"]
        for one in self._known.transfers():
            if wanted in (one["transfer_code"], str(one["id"])):
                return success(200, "Transfer retrieved", one)
        raise Refused(404, "transfer_not_found", "Transfer ID/code specified is invalid.")


def _time(request: web.Request, name: str) -> datetime | None:
    """The bound that a query sets; None where it sets none."""
    if name not in request.query:
        return None
    try:
        stated = datetime.fromisoformat(request.query[name])
    except ValueError:
        raise Refused(400, "invalid_params", f"{name} must be a valid timestamp") from None
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)


def _page(found: Sequence[Json], request: web.Request) -> tuple[Sequence[Json], Json]:
    try:
        return page(found, request.query)
    except ValueError:
        raise Refused(400, "invalid_params", "perPage and page must be positive numbers") from None
