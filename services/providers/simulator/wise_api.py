"""Wise's HTTP, as far as payouts need it: recipients, quotes, transfers that are made once for a
customerTransactionId and move nothing until they are funded, lists of them, and signed events. The
book counts the funding: what is not funded has not happened."""

import asyncio
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from services.providers.simulator.background import Background
from services.providers.simulator.bearer import Handler, Refusal, answering, refusing
from services.providers.simulator.book import FORGOTTEN, Book, BookFull, Line
from services.providers.simulator.config import Config
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.faults.wire import NOBODY, At, Call, Wire, row
from services.providers.simulator.webhooks import Event, Sender
from services.providers.simulator.wise_events import state_change, wise_headers
from services.providers.simulator.wise_forms import (
    Refused,
    body_of,
    in_minor,
    is_uuid,
    now,
    recipient_of,
    time_of,
)
from services.providers.simulator.wise_refusals import (
    FAILURES,
    FUNDING_REFUSALS,
    INVALID_TOKEN,
    NO_BALANCE,
    RECIPIENT_REFUSALS,
    errors,
)
from services.shared.env import Field, SecretStr

Json = dict[str, Any]

PROVIDER = "wise"
CORRELATION = "x-external-correlation-id"
# A transfer of more than this is not covered by the balance.
BALANCE_MINOR = 10**15
UNFUNDED, UNDER_WAY, SENT = "incoming_payment_waiting", "processing", "outgoing_payment_sent"
EFFECTS = {
    SENT: "payout_completed",
    "cancelled": "payout_failed",
    "funds_refunded": "payout_returned",
}
_EXEMPT = {
    Mode.KEY_TTL: "a customerTransactionId is its transfer's own, for ever",
    Mode.RECIPIENT_REFUSED: "a transfer that fails says nothing of its recipient",
    Mode.REFUND_FAILS: "it refunds nothing",
    Mode.OLD_TIMESTAMP: "it signs no time",
    Mode.FUTURE_TIMESTAMP: "it signs no time",
    Mode.PAYER_AUTHENTICATES: "it has no payer",
    Mode.PAYER_FAILS: "it has no payer",
    Mode.DISPUTE: "it charges no card",
}


class WiseStandIn(Config):
    """The variables of the simulator's Wise."""

    secret_forms = {"wise_api_key": "wise-sandbox-{hex}", "wise_webhook_secret": "{rsa}"}

    wise_api_key: SecretStr = Field(description="The one token that its Wise accepts.")
    wise_webhook_secret: SecretStr = Field(
        description="The RSA key pair that signs its Wise events, base64 of the PKCS #8 DER form."
    )


@dataclass(frozen=True)
class _Words(At):
    """The merchant's words of a transfer that is funded: they are in the transfer, not in the
    request."""

    api: "WiseApi | None" = None

    async def read(self, request: web.Request) -> str:
        """The reference of the transfer in the address; empty where there is no such transfer."""
        transfer = self.api and self.api.transfer(request.match_info.get("transferId", ""))
        return str(transfer["details"]["reference"]) if transfer else ""


class WiseApi:
    """The server's state and its handlers."""

    settings = WiseStandIn

    def __init__(self, config: WiseStandIn, book: Book, sender: Sender, control: Control) -> None:
        self._key = config.wise_api_key
        self._secret = config.wise_webhook_secret
        self._url = f"{config.gateway_url.rstrip('/')}/api/webhooks/wise"
        self._settle_seconds = config.settle_seconds
        self._book = book
        self._sender = sender
        self._control = control
        self._processing = Background()
        self._recipients: dict[int, Json] = {}
        self._quotes: dict[str, Json] = {}
        # By customerTransactionId, in the order in which they were made.
        self._transfers: dict[str, Json] = {}
        self._marks: dict[str, str] = {}
        self._remember()

    def _remember(self) -> None:
        forgotten = {line.id for line in self._book.lines if line.effect == FORGOTTEN}
        for line in self._book.remembered(PROVIDER):
            if str(line.state.get("id")) not in forgotten:
                self._keep(line.state)
        for transfer in self._transfers.values():
            self._process_later(transfer)

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        return [
            web.post("/v1/accounts", self._answering(self._create_recipient)),
            web.post("/v3/profiles/{profileId}/quotes", self._answering(self._create_quote)),
            web.get("/v1/transfers", self._answering(self._list)),
            web.post("/v1/transfers", self._answering(self._create_transfer)),
            web.get("/v1/transfers/{transferId}", self._answering(self._read)),
            web.post(_FUND, self._answering(self._fund)),
        ]

    def wire(self) -> Wire:
        """The declaration of this API for faults; only the funding moves money, so that no other
        call is an operation."""
        by_id, by_mark = At("path", "transferId"), At("header", CORRELATION)
        return Wire(
            provider=PROVIDER,
            calls=(
                Call(
                    method="POST",
                    path="/v1/accounts",
                    step=Step.PREPARE,
                    key=by_mark,
                    refusals=RECIPIENT_REFUSALS,
                ),
                Call(
                    method="POST",
                    path=_FUND,
                    step=Step.SEND,
                    key=At("body", "partnerReference"),
                    words=_Words("path", "transferId", api=self),
                    refusals=FUNDING_REFUSALS,
                ),
                Call(method="GET", path="/v1/transfers/{transferId}", step=Step.LOOK_UP, key=by_id),
                Call(
                    method="GET",
                    path="/v1/transfers",
                    step=Step.LIST,
                    key=by_mark,
                    without_key=Step.LIST_ALL,
                ),
            ),
            amount_fields=frozenset({"targetValue"}),
            currency_field="targetCurrency",
            status_field="status",
            event_status_field="current_state",
            error=lambda status, message: errors(f"http.{status}", message),
            mismatch=(409, errors("transfer.already_funded", "The transfer is funded")),
            no_balance=NO_BALANCE,
            forget=self._forget,
            turn=self._turn,
            exempt=_EXEMPT,
            unrecognized=refusing(self._key.get_secret_value(), _no_route),
        )

    async def close(self) -> None:
        """Stops processing; what is still under way goes on after the next start."""
        await self._processing.close()

    def transfer(self, transfer_id: str) -> Json | None:
        """The transfer with this id."""
        return self._transfers.get(self._marks.get(transfer_id, ""))

    def _keep(self, transfer: Json) -> None:
        mark = transfer["customerTransactionId"]
        self._transfers[mark] = transfer
        self._marks[str(transfer["id"])] = mark

    def _answering(self, handler: Handler) -> Handler:
        return answering(
            handler,
            key=self._key.get_secret_value(),
            unknown=Refusal(INVALID_TOKEN[0], "Invalid token", INVALID_TOKEN[1]),
        )

    async def _create_recipient(self, request: web.Request) -> web.Response:
        wanted = recipient_of(await body_of(request))
        recipient = {"id": _number(), "active": True, **wanted}
        self._recipients[recipient["id"]] = recipient
        return web.json_response(recipient)

    async def _create_quote(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        recipient = self._recipients.get(body.get("targetAccount", 0))
        if recipient is None or recipient["currency"] != body.get("targetCurrency"):
            raise Refused(422, "NOT_VALID", "Recipient is not of this currency", "targetAccount")
        amount = body.get("targetAmount")
        if in_minor(amount, str(body["targetCurrency"])) is None:
            raise Refused(422, "NOT_VALID", "Amount is not valid", "targetAmount")
        quote = {
            "id": str(uuid.uuid4()),
            "sourceCurrency": str(body.get("sourceCurrency")),
            "targetCurrency": body["targetCurrency"],
            "targetAmount": amount,
            "providedAmountType": "TARGET",
            "rateType": "FIXED",
            "payOut": "BANK_TRANSFER",
            "status": "PENDING",
            "createdTime": now(),
        }
        self._quotes[quote["id"]] = quote
        return web.json_response(quote)

    async def _create_transfer(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        mark = str(body.get("customerTransactionId"))
        if not is_uuid(mark):
            raise Refused(422, "NOT_VALID", "Not a UUID", "customerTransactionId")
        if mark not in self._transfers:
            transfer = self._made(body, mark)
            self._keep(transfer)
            try:
                await self._book.write(_line(transfer, "transfer_created", mark, mark))
            except BookFull:
                del self._transfers[mark]
                raise
        await self._book.settled()
        if mark not in self._transfers:
            raise BookFull
        return web.json_response(self._transfers[mark])

    def _made(self, body: Json, mark: str) -> Json:
        quote = self._quotes.get(str(body.get("quoteUuid")))
        recipient = self._recipients.get(body.get("targetAccount", 0))
        if quote is None or recipient is None:
            raise Refused(422, "NOT_VALID", "Quote or recipient is not there", "quoteUuid")
        if quote["status"] != "PENDING":
            raise Refused(422, "NOT_VALID", "The quote has a transfer already", "quoteUuid")
        quote["status"] = "ACCEPTED"
        details = body.get("details")
        words = str(details.get("reference") or "") if isinstance(details, dict) else ""
        return {
            "id": _number(),
            "targetAccount": recipient["id"],
            "quoteUuid": quote["id"],
            "status": UNFUNDED,
            "created": now(),
            "details": {"reference": words},
            "hasActiveIssues": False,
            "sourceCurrency": quote["sourceCurrency"],
            "targetCurrency": quote["targetCurrency"],
            "targetValue": quote["targetAmount"],
            "customerTransactionId": mark,
        }

    async def _list(self, request: web.Request) -> web.Response:
        await self._book.settled()
        if request.headers.get(CORRELATION) == NOBODY:
            return web.json_response([])
        currency = request.query.get("targetCurrency")
        since = time_of(request.query.get("createdDateStart", ""))
        until = request.query.get("createdDateEnd", "")
        found = [
            one
            for one in self._transfers.values()
            if currency in (None, one["targetCurrency"])
            and (made_at := datetime.fromisoformat(one["created"])) >= since
            and (not until or made_at <= time_of(until))
        ]
        first = int(request.query.get("offset", "0"))
        return web.json_response(found[first : first + int(request.query.get("limit", "100"))])

    async def _read(self, request: web.Request) -> web.Response:
        await self._book.settled()
        transfer = self.transfer(request.match_info["transferId"])
        if transfer is None:
            raise Refused(404, "transfer.not_found", "Transfer not found")
        return web.json_response(transfer)

    async def _fund(self, request: web.Request) -> web.Response:
        body, transfer = await body_of(request), self.transfer(request.match_info["transferId"])
        if transfer is None:
            raise Refused(404, "transfer.not_found", "Transfer not found")
        if body.get("type") != "BALANCE":
            raise Refused(422, "NOT_VALID", "The type is not available", "type")
        if transfer["status"] != UNFUNDED:
            await self._book.settled()
            raise Refused(409, "transfer.already_funded", "The transfer is funded")
        if _minor_of(transfer) > BALANCE_MINOR:
            return web.json_response(NO_BALANCE[1])
        funded = {
            **transfer,
            "status": UNDER_WAY,
            "partnerReference": str(body["partnerReference"]),
        }
        mark = transfer["customerTransactionId"]
        self._transfers[mark] = funded
        try:
            await self._book.write(_funded_line(funded, "payout_accepted"))
        except BookFull:
            self._transfers[mark] = transfer
            raise
        self._process_later(funded)
        return web.json_response({"type": "BALANCE", "status": "COMPLETED", "errorCode": None})

    def _forget(self, key: str) -> None:
        for mark, transfer in list(self._transfers.items()):
            if transfer.get("partnerReference") == key:
                del self._transfers[mark]

    def _process_later(self, transfer: Json) -> None:
        if transfer["status"] == UNDER_WAY:
            self._processing.start(self._process(transfer))

    async def _process(self, funded: Json) -> None:
        subject = self._control.subject(PROVIDER, funded["partnerReference"])
        modes = self._control.active(subject, Step.SETTLE)
        if Mode.HOLD not in modes:
            await asyncio.sleep(float(self._settle_seconds))
            fails = Mode.PAYOUT_FAILS in modes or Mode.LATE_SUCCESS in modes
            ended = "cancelled" if fails else SENT
            await self._end(funded, row(FAILURES, modes.get(Mode.FAILS_AS)) or ended)

    async def _turn(self, key: str) -> None:
        ended = next(
            (one for one in self._transfers.values() if one.get("partnerReference") == key), None
        )
        if ended is not None:
            await self._end(ended, "funds_refunded" if ended["status"] == SENT else SENT)

    async def _end(self, transfer: Json, status: str) -> None:
        mark, before = transfer["customerTransactionId"], transfer["status"]
        if mark not in self._transfers:
            # Forgotten in the meantime: nobody is left to end it.
            return
        ended = {**transfer, "status": status}
        await self._book.write_in_time(_funded_line(ended, EFFECTS[status]))
        self._transfers[mark] = ended
        self._sender.send(
            Event(
                provider=PROVIDER,
                key=ended["partnerReference"],
                url=self._url,
                id=str(uuid.uuid4()),
                sign=wise_headers,
                secret=self._secret,
                body=state_change(ended, before),
            )
        )


_FUND = "/v3/profiles/{profileId}/transfers/{transferId}/payments"


def _no_route(request: web.Request) -> Refused:
    return Refused(404, "not_found", f"No {request.method} {request.path}")


def _minor_of(transfer: Json) -> int:
    return in_minor(transfer["targetValue"], transfer["targetCurrency"]) or 0


def _number() -> int:
    return secrets.randbelow(10**9) + 10**6


def _funded_line(transfer: Json, effect: str) -> Line:
    return _line(transfer, effect, transfer["partnerReference"], str(transfer["id"]))


def _line(transfer: Json, effect: str, key: str, name: str) -> Line:
    return Line(
        provider=PROVIDER,
        effect=effect,
        key=key,
        id=name,
        # The partner's reference begins with the payment's id; Wise knows no more of it.
        transaction_id=key.partition("-")[0] if key.startswith("pay_") else "",
        reference=transfer["details"]["reference"],
        amount_minor=_minor_of(transfer),
        currency=transfer["targetCurrency"],
        state=transfer,
    )


API = WiseApi
