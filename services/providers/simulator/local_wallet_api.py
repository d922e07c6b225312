"""The wallet's small API: a payout is accepted, settles by itself a moment later, and a signed
event reports its completion. The same reference is the same payout, for ever."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from services.providers.simulator.background import Background
from services.providers.simulator.bearer import Handler, Refusal, answering, refusing
from services.providers.simulator.book import Book, BookFull, Line
from services.providers.simulator.config import Config
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.modes import REFUSED_NAME, Mode, Step
from services.providers.simulator.faults.wire import NO_KEY, At, Call, Wire, row
from services.providers.simulator.local_wallet_refusals import (
    FAILURES,
    NETWORK_DOWN,
    NO_BALANCE,
    REFUSALS,
    UNAUTHENTICATED,
    UNREACHABLE,
)
from services.providers.simulator.webhooks import Event, Sender, event_id
from services.shared.env import Field, SecretStr

Json = dict[str, Any]

FAILURE = ("failure_code", "failure_message")
COMPLETED = {"status": "completed"}
REUSED = ("reference_reused", "the reference has another payout")
_EXEMPT = {
    Mode.KEY_TTL: "the reference is the payout's own name, for ever",
    Mode.REFUND_FAILS: "it refunds nothing",
    Mode.PAYER_AUTHENTICATES: "it has no payer",
    Mode.PAYER_FAILS: "it has no payer",
    Mode.DISPUTE: "it charges no card",
}
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


class Refused(Refusal):
    """A request that the wallet does not take."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message, _error(code, message))


def standard_headers(body: bytes, secret: str, timestamp: int, event: str) -> dict[str, str]:
    """Standard Webhooks: HMAC-SHA256 over "<id>.<time>.<body>", keyed with the decoded secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{event}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": event,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signed.digest()).decode()}",
    }


class LocalWalletStandIn(Config):
    """The variables of the simulator's wallet."""

    secret_forms = {
        "local_wallet_api_key": "wallet_test_{hex}",
        "local_wallet_webhook_secret": "whsec_{base64}",
    }

    local_wallet_api_key: SecretStr = Field(description="The one key that its wallet accepts.")
    local_wallet_webhook_secret: SecretStr = Field(
        description="Signs its wallet events: whsec_ and base64."
    )


class WalletApi:
    """The wallet's state and its handlers."""

    settings = LocalWalletStandIn

    def __init__(
        self, config: LocalWalletStandIn, book: Book, sender: Sender, control: Control
    ) -> None:
        self._key = config.local_wallet_api_key.get_secret_value()
        self._secret = config.local_wallet_webhook_secret
        self._url = f"{config.gateway_url.rstrip('/')}/api/webhooks"
        self._settle_seconds = config.settle_seconds
        self._book = book
        self._sender = sender
        self._control = control
        self._settling = Background()
        self._payouts: dict[str, Json] = {
            line.key: line.state for line in book.remembered("local_wallet")
        }
        for payout in self._payouts.values():
            self._settle_later(payout)

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        return [
            web.get("/v1/payouts", self._answering(self._list)),
            web.post("/v1/payouts", self._answering(self._create)),
            web.get("/v1/payouts/{reference}", self._answering(self._read)),
        ]

    def wire(self) -> Wire:
        """The declaration of this API for faults."""
        body, path = At("body", "reference"), At("path", "reference")
        return Wire(
            provider="local_wallet",
            calls=(
                Call(
                    method="POST",
                    path="/v1/payouts",
                    step=Step.SEND,
                    key=body,
                    words=At("body", "note"),
                    refusals=[(status, _error(*said)) for status, *said in REFUSALS],
                ),
                Call(method="GET", path="/v1/payouts/{reference}", step=Step.LOOK_UP, key=path),
                Call(method="GET", path="/v1/payouts", step=Step.LIST_ALL, key=NO_KEY),
            ),
            amount_fields=frozenset({"amount_minor"}),
            currency_field="currency",
            status_field="status",
            error=lambda status, message: _error(f"http_{status}", message),
            mismatch=(409, _error(*REUSED)),
            no_balance=(NO_BALANCE[0], _error(*NO_BALANCE[1:])),
            forget=lambda key: self._payouts.pop(key, None),
            turn=self._turn,
            exempt=_EXEMPT,
            unrecognized=refusing(
                self._key,
                lambda request: Refused(404, "route_not_found", f"no {request.path} here"),
            ),
        )

    async def close(self) -> None:
        """Stops settling; what is still accepted settles after the next start."""
        await self._settling.close()

    def _answering(self, handler: Handler) -> Handler:
        return answering(handler, key=self._key, unknown=Refused(*UNAUTHENTICATED))

    async def _create(self, request: web.Request) -> web.Response:
        wanted = _payout(await _body(request))
        reference = wanted["reference"]
        if known := self._payouts.get(reference):
            if any(known[name] != value for name, value in wanted.items()):
                raise Refused(409, *REUSED)
            # The first request may still be on its way to the disk.
            await self._book.settled()
            if reference not in self._payouts:
                raise BookFull
            return web.json_response(self._payouts[reference], status=200)
        payout = {
            "id": f"lwp_{secrets.token_hex(10)}",
            "status": "accepted",
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **wanted,
        }
        self._payouts[reference] = payout
        try:
            await self._book.write(_line(payout, "payout_accepted"))
        except BookFull:
            del self._payouts[reference]
            raise
        self._settle_later(payout)
        return web.json_response(payout, status=201)

    async def _list(self, request: web.Request) -> web.Response:
        """The payouts since a time, newest first, in pages after a payout."""
        await self._book.settled()
        found, limit = self._since(request.query.get("created_since", "")), _limit(request)
        after = request.query.get("after", "")
        start = next((at for at, one in enumerate(found, 1) if one["id"] == after), 0)
        if after and not start:
            raise Refused(404, "not_found", "no payout has this id")
        shown = found[start : start + limit]
        has_more = start + limit < len(found)
        return web.json_response({"payouts": shown, "next": shown[-1]["id"] if has_more else ""})

    def _since(self, stated: str) -> list[Json]:
        try:
            since = datetime.fromisoformat(stated) if stated else None
        except ValueError:
            since = None
        if stated and (since is None or since.tzinfo is None):
            raise Refused(400, "time_invalid", "created_since must be ISO 8601 with its zone")
        # Those of an older book say no time.
        return [
            one
            for one in reversed(self._payouts.values())
            if since is None
            or ("created_at" in one and datetime.fromisoformat(one["created_at"]) >= since)
        ]

    async def _read(self, request: web.Request) -> web.Response:
        await self._book.settled()
        payout = self._payouts.get(request.match_info["reference"])
        if payout is None:
            raise Refused(404, "not_found", "no payout has this reference")
        return web.json_response(payout)

    def _settle_later(self, payout: Json) -> None:
        if payout["status"] == "accepted":
            self._settling.start(self._settle(payout))

    async def _settle(self, accepted: Json) -> None:
        subject = self._control.subject("local_wallet", accepted["reference"])
        modes = self._control.active(subject, Step.SETTLE)
        if Mode.HOLD not in modes:
            await asyncio.sleep(float(self._settle_seconds))
            cause = row(FAILURES, modes.get(Mode.FAILS_AS))
            if Mode.RECIPIENT_REFUSED in modes or REFUSED_NAME in str(
                accepted["recipient"].get("name")
            ):
                cause = UNREACHABLE
            fails = cause or Mode.PAYOUT_FAILS in modes or Mode.LATE_SUCCESS in modes
            end = _failed(cause or NETWORK_DOWN) if fails else COMPLETED
            await self._end(accepted, end, f"payout_{end['status']}")

    async def _turn(self, reference: str) -> None:
        ended = self._payouts.get(reference, {})
        before = {name: value for name, value in ended.items() if name not in FAILURE}
        if ended.get("status") == "completed":
            await self._end(before, _failed(NETWORK_DOWN), "payout_returned")
        elif ended:
            await self._end(before, COMPLETED, "payout_completed")

    async def _end(self, payout: Json, end: Json, effect: str) -> None:
        ended = {**payout, **end}
        if ended["reference"] not in self._payouts:
            # Forgotten in the meantime: nobody is left to end it.
            return
        await self._book.write_in_time(_line(ended, effect))
        self._payouts[ended["reference"]] = ended
        self._announce(ended)

    def _announce(self, payout: Json) -> None:
        names = ("transaction_id", "reference", "amount_minor", "currency", *FAILURE)
        body = {"event_type": f"payment_{payout['status']}"}
        body |= {name: payout[name] for name in names if name in payout}
        self._sender.send(
            Event(
                provider="local_wallet",
                key=payout["reference"],
                url=self._url,
                id=event_id("msg"),
                sign=standard_headers,
                secret=self._secret,
                body=body,
            )
        )


def _failed(cause: tuple[str, str]) -> Json:
    return {"status": "failed", **dict(zip(FAILURE, cause, strict=True))}


def _error(code: str, message: str) -> Json:
    return {"error": {"code": code, "message": message}}


def _limit(request: web.Request) -> int:
    number = request.query.get("limit", "50")
    if not number.isdecimal() or not 0 < int(number[:4]) <= 100:
        raise Refused(400, "limit_invalid", "limit must be 1 to 100")
    return int(number)


async def _body(request: web.Request) -> Json:
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "body_invalid", "the body must be a JSON object")
    return body


def _payout(body: Json) -> Json:
    """The request, every field checked. Raises Refused."""
    amount = body.get("amount_minor")
    if type(amount) is not int or not 0 < amount <= 10**15:
        raise Refused(422, "amount_invalid", "amount_minor must be a positive integer")
    if not re.fullmatch(r"[A-Z]{3}", str(body.get("currency")), re.ASCII):
        raise Refused(422, "currency_unsupported", "currency must be an ISO 4217 code")
    if not _REFERENCE.fullmatch(str(body.get("reference"))):
        raise Refused(400, "reference_invalid", "reference must be 1 to 80 plain characters")
    recipient = body.get("recipient")
    if not isinstance(recipient, dict) or not recipient.get("account"):
        raise Refused(422, "recipient_invalid", "recipient must have an account")
    return {
        "reference": body["reference"],
        "amount_minor": amount,
        "currency": body["currency"],
        "recipient": recipient,
        "note": str(body.get("note") or ""),
        "transaction_id": str(body.get("transaction_id") or ""),
    }


def _line(payout: Json, effect: str) -> Line:
    return Line(
        provider="local_wallet",
        effect=effect,
        key=payout["reference"],
        id=payout["id"],
        transaction_id=payout["transaction_id"],
        reference=payout["note"],
        amount_minor=payout["amount_minor"],
        currency=payout["currency"],
        state=payout,
    )


API = WalletApi
