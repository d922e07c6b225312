"""Paystack's HTTP, as far as payouts need it: recipients, transfers that are processed a moment
later, asking by reference, and signed events. A reference is taken once, and refused ever after.
Calls that only show are in paystack_reads."""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from aiohttp import web

from services.providers.simulator.background import Background
from services.providers.simulator.bearer import Handler, answering, refusing
from services.providers.simulator.book import Book, BookFull, Line
from services.providers.simulator.config import Config
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.faults.wire import NO_KEY, At, Call, Wire, row
from services.providers.simulator.paystack_objects import (
    Json,
    error,
    recipient_shown,
    success,
    transfer_shown,
)
from services.providers.simulator.paystack_reads import Reads, Refused
from services.providers.simulator.paystack_refusals import (
    FAILURES,
    NO_BALANCE,
    RECIPIENT_REFUSALS,
    TRANSFER_REFUSALS,
    UNAUTHORIZED,
)
from services.providers.simulator.webhooks import Event, Sender, event_id
from services.shared.env import Field, SecretStr

PROVIDER = "paystack"
RECIPIENT_TYPES = {
    ("ghipss", "GHS"),
    ("kepss", "KES"),
    ("mobile_money", "GHS"),
    ("mobile_money", "KES"),
    ("nuban", "NGN"),
    ("basa", "ZAR"),
}
# No transfer empties it; one of more than this is refused.
BALANCE_MINOR = 10**12
# The book's name of a transfer's end.
EFFECTS = {"success": "payout_completed", "failed": "payout_failed", "reversed": "payout_returned"}
DUPLICATE = (
    "duplicate_transfer_reference",
    "Please provide a unique reference. Reference already exists on a transfer",
)
_EXEMPT = {
    Mode.KEY_TTL: "a reference is taken for ever",
    Mode.REFUND_FAILS: "it refunds nothing",
    Mode.RECIPIENT_REFUSED: "a transfer that fails says nothing of its recipient",
    Mode.PAYER_AUTHENTICATES: "it has no payer",
    Mode.PAYER_FAILS: "it has no payer",
    Mode.DISPUTE: "it charges no card",
    Mode.OLD_TIMESTAMP: "it signs no time",
    Mode.FUTURE_TIMESTAMP: "it signs no time",
}
_ACCOUNT = re.compile(r"\+?[0-9]{6,20}", re.ASCII)
_REFERENCE = re.compile(r"[a-z0-9_-]{16,50}", re.ASCII)


def paystack_headers(
    body: bytes, secret: str, _timestamp: int = 0, _event_id: str = ""
) -> dict[str, str]:
    """Paystack's signature: HMAC-SHA512 over the body alone, keyed with the API key."""
    signed = hmac.new(secret.encode(), body, hashlib.sha512)
    return {"x-paystack-signature": signed.hexdigest()}


class PaystackStandIn(Config):
    """The variable of the simulator's Paystack."""

    secret_forms = {"paystack_api_key": "sk_test_{hex}"}

    paystack_api_key: SecretStr = Field(
        description="The one key that its Paystack accepts; it signs its events too."
    )


class PaystackApi:
    """The server's state and its handlers."""

    settings = PaystackStandIn

    def __init__(
        self, config: PaystackStandIn, book: Book, sender: Sender, control: Control
    ) -> None:
        self._key = config.paystack_api_key
        self._url = f"{config.gateway_url.rstrip('/')}/api/webhooks/paystack"
        self._settle_seconds = config.settle_seconds
        self._book = book
        self._sender = sender
        self._control = control
        self._processing = Background()
        mine = book.remembered(PROVIDER)
        self._recipients = {line.id: line.state for line in mine if line.id.startswith("RCP_")}
        self._transfers = {line.key: line.state for line in mine if line.id.startswith("TRF_")}
        for transfer in self._transfers.values():
            self._process_later(transfer)

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        return [
            web.post("/transferrecipient", self._answering(self._create_recipient)),
            web.post("/transfer", self._answering(self._create_transfer)),
            web.get("/transfer/verify/{reference}", self._answering(self._verify)),
            *Reads(self, BALANCE_MINOR).routes(self._answering),
        ]

    def wire(self) -> Wire:
        """The declaration of this API for faults; a recipient is no operation, and can only be
        refused."""
        verify = "/transfer/verify/{reference}"
        return Wire(
            provider=PROVIDER,
            calls=(
                Call(
                    method="POST",
                    path="/transferrecipient",
                    step=Step.PREPARE,
                    key=At("body", "account_number"),
                    refusals=_bodies(RECIPIENT_REFUSALS),
                ),
                Call(
                    method="POST",
                    path="/transfer",
                    step=Step.SEND,
                    key=At("body", "reference"),
                    words=At("body", "reason"),
                    refusals=_bodies(TRANSFER_REFUSALS),
                ),
                Call(method="GET", path=verify, step=Step.LOOK_UP, key=At("path", "reference")),
                Call(method="GET", path="/transfer", step=Step.LIST_ALL, key=NO_KEY),
            ),
            amount_fields=frozenset({"amount"}),
            currency_field="currency",
            status_field="status",
            error=lambda status, message: error(f"http_{status}", message, "api_error"),
            mismatch=(400, error(*DUPLICATE)),
            no_balance=_bodies([NO_BALANCE])[0],
            forget=lambda key: self._transfers.pop(key, None),
            turn=self._turn,
            exempt=_EXEMPT,
            unrecognized=refusing(self._key.get_secret_value(), _no_route),
        )

    async def close(self) -> None:
        """Stops processing; what is still pending goes on after the next start."""
        await self._processing.close()

    def recipients(self) -> Iterable[Json]:
        """All recipients, oldest first."""
        return self._recipients.values()

    def transfers(self) -> Iterable[Json]:
        """All transfers as they are shown, oldest first."""
        return [self._shown(one) for one in self._transfers.values()]

    def _answering(self, handler: Handler) -> Handler:
        return answering(
            handler,
            key=self._key.get_secret_value(),
            unknown=Refused(*UNAUTHORIZED),
        )

    async def _create_recipient(self, request: web.Request) -> web.Response:
        wanted = _recipient(await _body(request))
        details = json.dumps(wanted, sort_keys=True).encode()
        code = f"RCP_{hashlib.sha256(details).hexdigest()[:15]}"
        if code not in self._recipients:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            recipient = {"recipient_code": code, "id": _number(), "created_at": now, **wanted}
            self._recipients[code] = recipient
            try:
                await self._book.write(_recipient_line(recipient))
            except BookFull:
                del self._recipients[code]
                raise
        await self._book.settled()
        if code not in self._recipients:
            raise BookFull
        message = "Transfer recipient created successfully"
        return success(201, message, recipient_shown(self._recipients[code]))

    async def _create_transfer(self, request: web.Request) -> web.Response:
        wanted = _transfer(await _body(request))
        if wanted["reference"] in self._transfers:
            raise Refused(400, *DUPLICATE)
        recipient = self._recipients.get(wanted["recipient"])
        if recipient is None or recipient["currency"] != wanted["currency"]:
            raise Refused(404, "recipient_not_found", "Recipient not found")
        if wanted["amount"] > BALANCE_MINOR:
            raise Refused(*NO_BALANCE)
        transfer = {
            "id": _number(),
            "transfer_code": f"TRF_{secrets.token_hex(8)}",
            "domain": "test",
            "status": "pending",
            "failures": None,
            "gateway_response": None,
            "createdAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **wanted,
        }
        self._transfers[transfer["reference"]] = transfer
        try:
            await self._book.write(_line(transfer, "payout_accepted"))
        except BookFull:
            del self._transfers[transfer["reference"]]
            raise
        self._process_later(transfer)
        number = recipient["id"]
        return success(200, "Transfer has been queued", transfer_shown(transfer, number))

    async def _verify(self, request: web.Request) -> web.Response:
        await self._book.settled()
        transfer = self._transfers.get(request.match_info["reference"])
        if transfer is None:
            raise Refused(404, "transfer_not_found", "Transfer not found")
        return success(200, "Transfer retrieved", self._shown(transfer))

    def _process_later(self, transfer: Json) -> None:
        if transfer["status"] == "pending":
            self._processing.start(self._process(transfer))

    async def _process(self, pending: Json) -> None:
        subject = self._control.subject(PROVIDER, pending["reference"])
        modes = self._control.active(subject, Step.SETTLE)
        if Mode.HOLD not in modes:
            await asyncio.sleep(float(self._settle_seconds))
            cause = row(FAILURES, modes.get(Mode.FAILS_AS))
            fails = cause or Mode.PAYOUT_FAILS in modes or Mode.LATE_SUCCESS in modes
            await self._end(
                {**pending, "gateway_response": cause}, "failed" if fails else "success"
            )

    async def _turn(self, reference: str) -> None:
        if ended := self._transfers.get(reference):
            await self._end(
                {**ended, "gateway_response": None},
                "reversed" if ended["status"] == "success" else "success",
            )

    async def _end(self, transfer: Json, status: str) -> None:
        ended = {**transfer, "status": status}
        if ended["reference"] not in self._transfers:
            # Forgotten in the meantime: nobody is left to end it.
            return
        await self._book.write_in_time(_line(ended, EFFECTS[status]))
        self._transfers[ended["reference"]] = ended
        self._sender.send(
            Event(
                provider=PROVIDER,
                key=ended["reference"],
                url=self._url,
                id=event_id("ps"),
                sign=paystack_headers,
                secret=self._key,
                body={"event": f"transfer.{status}", "data": self._shown(ended)},
            )
        )

    def _shown(self, transfer: Json) -> Json:
        """The transfer with its whole recipient, as events and look-ups have it."""
        recipient = self._recipients[transfer["recipient"]]
        return transfer_shown(transfer, recipient_shown(recipient))


def _no_route(_: web.Request) -> Refused:
    return Refused(404, "unknown_route", "That route does not exist", "validation_error")


def _bodies(rows: Sequence[tuple[int, str, str, str]]) -> list[tuple[int, Json]]:
    return [(status, error(*said)) for status, *said in rows]


async def _body(request: web.Request) -> Json:
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "invalid_params", "Invalid request body")
    return body


def _recipient(body: Json) -> Json:
    """The request, every field checked. Raises Refused."""
    kind = body.get("type")
    usual = next((money for one, money in sorted(RECIPIENT_TYPES) if one == kind), None)
    body = {"currency": usual, **body}
    if (kind, body["currency"]) not in RECIPIENT_TYPES:
        raise Refused(400, "invalid_params", "Type is not available for this currency")
    if not _ACCOUNT.fullmatch(str(body.get("account_number"))):
        raise Refused(400, "invalid_params", "Account number is invalid")
    if not body.get("bank_code"):
        raise Refused(400, "invalid_bank_code", "Bank code is invalid")
    if not body.get("name"):
        raise Refused(400, "invalid_params", "Name is required")
    names = ("type", "name", "currency", "account_number", "bank_code")
    return {name: str(body[name]) for name in names}


def _transfer(body: Json) -> Json:
    """The request, every field checked. Raises Refused."""
    if body.get("source") != "balance":
        raise Refused(400, "invalid_params", "Source must be balance")
    if type(body.get("amount")) is not int or body["amount"] <= 0:
        raise Refused(400, "invalid_params", "Amount must be a positive integer")
    reference = body.get("reference") or secrets.token_hex(10)
    if not _REFERENCE.fullmatch(str(reference)):
        raise Refused(400, "invalid_params", "Your reference contains illegal special characters")
    return {
        "source": "balance",
        "amount": body["amount"],
        "currency": str(body.get("currency", "NGN")),
        "recipient": str(body.get("recipient")),
        "reference": reference,
        "reason": str(body.get("reason") or ""),
    }


def _number() -> int:
    return secrets.randbelow(10**9)


def _recipient_line(recipient: Json) -> Line:
    return Line(
        provider=PROVIDER,
        effect="recipient_created",
        key=recipient["recipient_code"],
        id=recipient["recipient_code"],
        transaction_id="",
        reference="",
        amount_minor=0,
        currency=recipient["currency"],
        state=recipient,
    )


def _line(transfer: Json, effect: str) -> Line:
    return Line(
        provider=PROVIDER,
        effect=effect,
        key=transfer["reference"],
        id=transfer["transfer_code"],
        # A transfer knows nothing of the payment but our reference, which begins with its id.
        transaction_id=transfer["reference"].partition("-")[0],
        reference=transfer["reason"],
        amount_minor=transfer["amount"],
        currency=transfer["currency"],
        state=transfer,
    )


API = PaystackApi
