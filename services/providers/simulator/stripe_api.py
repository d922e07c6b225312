"""Stripe's HTTP, as its SDK sees it: the calls about PaymentIntents and Refunds, keys that
replay their first answer, test cards, and signed events. Intents are in stripe_intents, refunds
in stripe_refunds."""

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from services.providers.simulator.book import Book, BookFull, Line
from services.providers.simulator.config import Config
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.faults.wire import At, Call, Wire
from services.providers.simulator.stripe_intents import (
    Json,
    Refused,
    cancelled,
    charge,
    invalid,
    new_intent,
)
from services.providers.simulator.stripe_refunds import charge_of, new_refund
from services.providers.simulator.webhooks import Event, Sender, event_id
from services.shared.env import Field, SecretStr

API_VERSION = "2026-10-28.endive"
MISMATCH = "was used before with other parameters"
_SEARCH = re.compile(r"metadata\['([^']{1,40})'\]:'([^']{0,500})'")
_ACCOUNTED = "Stripe's card payments end when they are made; later come disputes, not failures"
_EXEMPT = {
    Mode.HOLD: "a card is charged or declined at once",
    Mode.PAYOUT_FAILS: "it pays nothing out",
    Mode.RECIPIENT_REFUSED: "it pays nothing out",
    Mode.NO_BALANCE: "it pays nothing out",
    Mode.LATE_FAIL: _ACCOUNTED,
    Mode.LATE_SUCCESS: _ACCOUNTED,
    Mode.FLAPPING: _ACCOUNTED,
}


@dataclass(frozen=True)
class Saved:
    """The first answer to a key, which every later request with it gets again."""

    fingerprint: str
    status: int
    body: Json


@dataclass(frozen=True)
class Effect:
    """The result of a request: the object after it, its name in the book, and the answer."""

    subject: Json
    name: str
    event_type: str
    status: int
    body: Json


def stripe_headers(body: bytes, secret: str, timestamp: int, _event_id: str = "") -> dict[str, str]:
    """Stripe's signature: HMAC-SHA256 over "<time>.<body>", keyed with the secret as it is."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return {"stripe-signature": f"t={timestamp},v1={signed.hexdigest()}"}


class StripeStandIn(Config):
    """The variables of the simulator's Stripe."""

    secret_forms = {
        "stripe_api_key": "sk_test_{hex}",
        "stripe_webhook_secret": "whsec_{hex}",
    }

    stripe_api_key: SecretStr = Field(description="The one key that its Stripe accepts.")
    stripe_webhook_secret: SecretStr = Field(description="Signs its Stripe events.")


class StripeApi:
    """The server's state and its handlers."""

    settings = StripeStandIn

    def __init__(self, config: StripeStandIn, book: Book, sender: Sender, control: Control) -> None:
        self._key = config.stripe_api_key.get_secret_value()
        self._secret = config.stripe_webhook_secret
        self._url = f"{config.gateway_url.rstrip('/')}/api/webhooks/stripe"
        self._book = book
        self._sender = sender
        self._control = control
        self._intents: dict[str, Json] = {}
        self._refunds: dict[str, Json] = {}
        self._saved: dict[str, Saved] = {}
        self._running: set[str] = set()
        for line in book.remembered("stripe"):
            self._remember(line)

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        intents = "/v1/payment_intents"
        return [
            web.post(intents, self._answering(self._create)),
            web.get(f"{intents}/search", self._answering(self._search)),
            web.get(f"{intents}/{{id}}", self._answering(self._retrieve)),
            web.post(f"{intents}/{{id}}/cancel", self._answering(self._cancel)),
            web.post("/v1/refunds", self._answering(self._create_refund)),
            web.get("/v1/refunds", self._answering(self._list_refunds)),
            web.get("/v1/refunds/{id}", self._answering(self._retrieve_refund)),
        ]

    def wire(self) -> Wire:
        """The declaration of this API for faults."""
        intents, refunds = "/v1/payment_intents", "/v1/refunds"
        key = At("header", "idempotency-key")
        found = At("query", "query", r"metadata\['operation_key'\]:'([^']*)'")
        words, amount = At("body", "description"), At("body", "amount")
        by_path = At("path", "id")
        by_id, searched = f"{intents}/{{id}}", f"{intents}/search"
        return Wire(
            provider="stripe",
            calls=(
                Call(
                    method="POST",
                    path=intents,
                    step=Step.SEND,
                    key=key,
                    words=words,
                    amount_minor=amount,
                ),
                Call(method="GET", path=by_id, step=Step.LOOK_UP, key=by_path),
                Call(method="GET", path=searched, step=Step.LIST, key=found),
                Call(method="POST", path=f"{by_id}/cancel", step=Step.CANCEL, key=by_path),
                Call(method="POST", path=refunds, step=Step.SEND, key=key, amount_minor=amount),
                Call(method="GET", path=refunds, step=Step.LIST, key=At("query", "payment_intent")),
                Call(method="GET", path=f"{refunds}/{{id}}", step=Step.LOOK_UP, key=by_path),
            ),
            amount_fields=frozenset({"amount", "amount_received"}),
            currency_field="currency",
            status_field="status",
            error=_fault,
            mismatch=(400, _idempotency_error(400, "", MISMATCH).body),
            replay_headers={"Idempotent-Replayed": "true"},
            forget=self._forget,
            forget_key=lambda key: self._saved.pop(key, None),
            exempt=_EXEMPT,
        )

    def _forget(self, key: str) -> None:
        for line in self._book.about("stripe", key):
            self._intents.pop(line.id, None)
            self._refunds.pop(line.id, None)
        self._saved.pop(key, None)

    async def close(self) -> None:
        """Nothing of it goes on by itself."""

    def _answering(
        self, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answered(request: web.Request) -> web.Response:
            try:
                self._authenticate(request)
                return await handler(request)
            except Refused as refused:
                return _answer(refused.status, refused.body)

        return answered

    async def _create(self, request: web.Request) -> web.Response:
        def create(form: dict[str, str]) -> Effect:
            intent = new_intent(form)
            if form.get("confirm") != "true" or not intent["payment_method"]:
                return Effect(intent, "intent_created", "payment_intent.created", 200, intent)
            if error := charge(intent):
                body = {"error": error}
                return Effect(intent, "charge_declined", "payment_intent.payment_failed", 402, body)
            if intent["status"] == "succeeded":
                return Effect(intent, "charge_succeeded", "payment_intent.succeeded", 200, intent)
            return Effect(intent, "action_required", "payment_intent.requires_action", 200, intent)

        return await self._once(request, create)

    async def _cancel(self, request: web.Request) -> web.Response:
        def cancel(form: dict[str, str]) -> Effect:
            intent = cancelled(self._find(request.match_info["id"]), form)
            return Effect(intent, "intent_canceled", "payment_intent.canceled", 200, intent)

        return await self._once(request, cancel)

    async def _retrieve(self, request: web.Request) -> web.Response:
        return _answer(200, self._find(request.match_info["id"]))

    async def _search(self, request: web.Request) -> web.Response:
        match = _SEARCH.fullmatch(request.query.get("query", ""))
        if match is None:
            raise invalid("search_query_invalid", "query", "We cannot understand the query.")
        name, value = match.groups()
        found = [one for one in self._intents.values() if one["metadata"].get(name) == value]
        body = {
            "object": "search_result",
            "url": "/v1/payment_intents/search",
            "has_more": False,
            "next_page": None,
            "data": found,
        }
        return _answer(200, body)

    async def _create_refund(self, request: web.Request) -> web.Response:
        def create(form: dict[str, str]) -> Effect:
            intent = self._find(form.get("payment_intent", ""), "payment_intent")
            subject = self._control.subject("stripe", intent["id"])
            fails = Mode.REFUND_FAILS in self._control.active(subject, Step.SETTLE)
            refund = new_refund(form, intent, self._refunds_of(intent["id"]), fails=fails)
            # Counted from here on, so that no second one at the same time exceeds the charge.
            self._refunds[refund["id"]] = refund
            name = f"refund_{refund['status']}"
            event = "refund.failed" if refund["status"] == "failed" else "refund.created"
            return Effect(refund, name, event, 200, refund)

        return await self._once(request, create)

    async def _retrieve_refund(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        if wanted not in self._refunds:
            message = f"No such refund: '{wanted[:80]}'"
            raise invalid("resource_missing", "id", message, status=404)
        return _answer(200, self._refunds[wanted])

    async def _list_refunds(self, request: web.Request) -> web.Response:
        # The newest may still be on its way to the disk.
        await self._book.settled()
        found = self._refunds_of(request.query.get("payment_intent", ""))[::-1]
        limit = request.query.get("limit", "10")
        if not re.fullmatch(r"[1-9][0-9]?|100", limit, re.ASCII):
            raise invalid("parameter_invalid_integer", "limit", "Invalid integer: limit.")
        body = {
            "object": "list",
            "url": "/v1/refunds",
            "has_more": len(found) > int(limit),
            "data": found[: int(limit)],
        }
        return _answer(200, body)

    def _refunds_of(self, intent_id: str) -> list[Json]:
        return [one for one in self._refunds.values() if one["payment_intent"] == intent_id]

    async def _once(
        self, request: web.Request, work: Callable[[dict[str, str]], Effect]
    ) -> web.Response:
        """Runs the work the first time that a key comes; gives the first answer ever after."""
        pairs = parse_qsl(await request.text(), keep_blank_values=True)
        key = request.headers.get("idempotency-key", "") or secrets.token_hex(16)
        fingerprint = _fingerprint(request.path, pairs)
        if key in self._running:
            raise _idempotency_error(409, "idempotency_key_in_use", "is being used right now")
        if saved := self._saved.get(key):
            if saved.fingerprint != fingerprint:
                raise _idempotency_error(400, "", MISMATCH)
            return _answer(saved.status, saved.body, replayed=True)
        self._running.add(key)
        try:
            effect = work(dict(pairs))
            line = _line(key, effect, Saved(fingerprint, effect.status, effect.body))
            try:
                await self._book.write(line)
            except BookFull:
                self._refunds.pop(line.id, None)
                raise
            self._remember(line)
        finally:
            self._running.discard(key)
        self._announce(effect, key)
        return _answer(effect.status, effect.body)

    def _remember(self, line: Line) -> None:
        # Through JSON, so that no two of them share a part that one could change.
        state = json.loads(json.dumps(line.state))
        objects = self._refunds if "refund" in state else self._intents
        objects[line.id] = state["refund" if "refund" in state else "intent"]
        self._saved[line.key] = Saved(state["fingerprint"], state["status"], state["body"])

    def _find(self, wanted: str, parameter: str = "intent") -> Json:
        if wanted not in self._intents:
            message = f"No such payment_intent: '{wanted[:80]}'"
            raise invalid("resource_missing", parameter, message, status=404)
        return self._intents[wanted]

    def _announce(self, effect: Effect, key: str) -> None:
        self._tell(effect.event_type, effect.subject, key)
        if effect.name == "refund_succeeded":
            intent_id = effect.subject["payment_intent"]
            charge = charge_of(self._intents[intent_id], self._refunds_of(intent_id))
            self._tell("charge.refunded", charge, key)

    def _tell(self, event_type: str, subject: Json, key: str) -> None:
        new_id = event_id("evt")
        body = {
            "id": new_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": int(time.time()),
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": key},
            "type": event_type,
            "data": {"object": subject},
        }
        self._sender.send(
            Event(
                provider="stripe",
                key=key,
                url=self._url,
                id=new_id,
                sign=stripe_headers,
                secret=self._secret,
                body=body,
            )
        )

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(errors="replace"), self._key.encode()):
            error = {"type": "invalid_request_error", "message": "Invalid API Key provided."}
            raise Refused(401, error)


def _line(key: str, effect: Effect, saved: Saved) -> Line:
    subject = effect.subject
    return Line(
        provider="stripe",
        effect=effect.name,
        key=key,
        id=subject["id"],
        transaction_id=subject["metadata"].get("transaction_id", ""),
        reference=subject["description"] or "",
        amount_minor=subject["amount"],
        currency=subject["currency"].upper(),
        state={
            "refund" if subject["object"] == "refund" else "intent": subject,
            "fingerprint": saved.fingerprint,
            "status": saved.status,
            "body": saved.body,
        },
    )


def _answer(status: int, body: Json, *, replayed: bool = False) -> web.Response:
    headers = {"Request-Id": f"req_{secrets.token_hex(7)}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.json_response(body, status=status, headers=headers)


def _fingerprint(path: str, pairs: list[tuple[str, str]]) -> str:
    canonical: Any = [path, sorted(pairs)]
    return hashlib.sha256(json.dumps(canonical).encode()).hexdigest()


def _fault(status: int, message: str) -> Json:
    error_type = "rate_limit_error" if status == 429 else "api_error"
    return {"error": {"type": error_type, "message": message}}


def _idempotency_error(status: int, code: str, what: str) -> Refused:
    error = {"type": "idempotency_error", "message": f"This idempotency key {what}."}
    return Refused(status, {**error, "code": code} if code else error)


API = StripeApi
