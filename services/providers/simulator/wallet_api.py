"""The wallet's small API: a payout is accepted, settles by itself a moment later, and a signed
event tells of its completion. The same reference is the same payout, for ever."""

import asyncio
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from services.providers.simulator.background import Background
from services.providers.simulator.book import Book, Line
from services.providers.simulator.config import Config
from services.providers.simulator.modes import Mode, modes_of
from services.providers.simulator.webhooks import Event, Sender, event_id

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.Response]]

# A payout without a recipient goes to a wallet of our own: this is a simulator.
TEST_RECIPIENT = {"account": "test-wallet", "bank_code": "", "name": "Test Recipient"}
FAILURE = {
    "failure_code": "recipient_unreachable",
    "failure_message": "The recipient's wallet cannot be reached.",
}
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


class Refused(Exception):
    """A request that the wallet does not take."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message}}


class WalletApi:
    """The wallet's state and its handlers."""

    def __init__(self, config: Config, book: Book, sender: Sender) -> None:
        self._key = config.local_wallet_api_key.get_secret_value()
        self._secret = config.local_wallet_webhook_secret
        self._url = f"{config.gateway_url.rstrip('/')}/api/webhooks"
        self._settle_seconds = config.settle_seconds
        self._book = book
        self._sender = sender
        self._settling = Background()
        self._payouts: dict[str, Json] = {
            line.key: line.state for line in book.lines if line.provider == "local_wallet"
        }
        for payout in self._payouts.values():
            self._settle_later(payout)

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        return [
            web.post("/v1/payouts", self._answering(self._create)),
            web.get("/v1/payouts/{reference}", self._answering(self._read)),
        ]

    async def close(self) -> None:
        """Stops settling; what is still accepted settles after the next start."""
        await self._settling.close()

    def _answering(self, handler: Handler) -> Handler:
        async def answered(request: web.Request) -> web.Response:
            try:
                self._authenticate(request)
                return await handler(request)
            except Refused as refused:
                return web.json_response(refused.body, status=refused.status)

        return answered

    async def _create(self, request: web.Request) -> web.Response:
        wanted = _payout(await _body(request))
        reference = wanted["reference"]
        if known := self._payouts.get(reference):
            if any(known[name] != value for name, value in wanted.items()):
                raise Refused(409, "reference_reused", "the reference has another payout")
            # The first request may still be on its way to the disk.
            await self._book.settled()
            return web.json_response(self._payouts[reference], status=200)
        payout = {"id": f"lwp_{secrets.token_hex(10)}", "status": "accepted", **wanted}
        self._payouts[reference] = payout
        await self._book.write(_line(payout, "payout_accepted"))
        self._settle_later(payout)
        return web.json_response(payout, status=201)

    async def _read(self, request: web.Request) -> web.Response:
        payout = self._payouts.get(request.match_info["reference"])
        if payout is None:
            raise Refused(404, "not_found", "no payout has this reference")
        await self._book.settled()
        return web.json_response(payout)

    def _settle_later(self, payout: Json) -> None:
        if payout["status"] == "accepted" and Mode.HOLD not in modes_of(payout["note"]):
            self._settling.start(self._settle(payout))

    async def _settle(self, accepted: Json) -> None:
        await asyncio.sleep(float(self._settle_seconds))
        modes = modes_of(accepted["note"])
        fails = Mode.PAYOUT_FAILS in modes
        payout = {**accepted, "status": "failed" if fails else "completed"}
        if fails:
            payout |= FAILURE
        await self._book.write(_line(payout, f"payout_{payout['status']}"))
        self._payouts[payout["reference"]] = payout
        if Mode.NO_WEBHOOK not in modes:
            self._announce(payout)

    def _announce(self, payout: Json) -> None:
        told = ("transaction_id", "reference", "amount_minor", "currency", *FAILURE)
        body = {"event_type": f"payment_{payout['status']}"}
        body |= {name: payout[name] for name in told if name in payout}
        self._sender.send(
            Event(
                url=self._url,
                id=event_id("msg"),
                scheme="standard",
                secret=self._secret,
                body=body,
            )
        )

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(errors="replace"), self._key.encode()):
            raise Refused(401, "unauthenticated", "the key is not known")


async def _body(request: web.Request) -> Json:
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "body_invalid", "the body must be a JSON object")
    return body


def _payout(body: Json) -> Json:
    """What is asked for, every field checked. Raises Refused."""
    amount = body.get("amount_minor")
    if type(amount) is not int or not 0 < amount <= 10**15:
        raise Refused(422, "amount_invalid", "amount_minor must be a positive integer")
    if not re.fullmatch(r"[A-Z]{3}", str(body.get("currency")), re.ASCII):
        raise Refused(422, "currency_unsupported", "currency must be an ISO 4217 code")
    if not _REFERENCE.fullmatch(str(body.get("reference"))):
        raise Refused(400, "reference_invalid", "reference must be 1 to 80 plain characters")
    recipient = body.get("recipient", TEST_RECIPIENT)
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
