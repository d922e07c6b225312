"""Stripe's HTTP, as its SDK sees it: the four PaymentIntent calls, keys that replay their first
answer, test cards, and signed events. What happens to an intent is in stripe_intents."""

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

from services.providers.simulator.book import Book, Line
from services.providers.simulator.config import Config
from services.providers.simulator.modes import Mode, modes_of
from services.providers.simulator.stripe_intents import (
    Json,
    Refused,
    cancelled,
    charge,
    invalid,
    new_intent,
)
from services.providers.simulator.webhooks import Event, Sender, event_id

API_VERSION = "2026-10-28.endive"
_SEARCH = re.compile(r"metadata\['([^']{1,40})'\]:'([^']{0,500})'")


@dataclass(frozen=True)
class Saved:
    """The first answer to a key, which every later request with it gets again."""

    fingerprint: str
    status: int
    body: Json


@dataclass(frozen=True)
class Effect:
    """What a request came to: the intent after it, what to call that, and the answer."""

    intent: Json
    name: str
    event_type: str
    status: int
    body: Json


class StripeApi:
    """The server's state and its handlers."""

    def __init__(self, config: Config, book: Book, sender: Sender) -> None:
        self._key = config.stripe_api_key.get_secret_value()
        self._secret = config.stripe_webhook_secret
        self._url = f"{config.gateway_url.rstrip('/')}/api/webhooks/stripe"
        self._book = book
        self._sender = sender
        self._intents: dict[str, Json] = {}
        self._saved: dict[str, Saved] = {}
        self._running: set[str] = set()
        for line in book.lines:
            if line.provider == "stripe":
                self._remember(line)

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        intents = "/v1/payment_intents"
        return [
            web.post(intents, self._answering(self._create)),
            web.get(f"{intents}/search", self._answering(self._search)),
            web.get(f"{intents}/{{id}}", self._answering(self._retrieve)),
            web.post(f"{intents}/{{id}}/cancel", self._answering(self._cancel)),
        ]

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
            intent = cancelled(self._find(request), form)
            return Effect(intent, "intent_canceled", "payment_intent.canceled", 200, intent)

        return await self._once(request, cancel)

    async def _retrieve(self, request: web.Request) -> web.Response:
        return _answer(200, self._find(request))

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
                raise _idempotency_error(400, "", "was used before with other parameters")
            return _answer(saved.status, saved.body, replayed=True)
        self._running.add(key)
        try:
            effect = work(dict(pairs))
            line = _line(key, effect, Saved(fingerprint, effect.status, effect.body))
            await self._book.write(line)
            self._remember(line)
        finally:
            self._running.discard(key)
        self._announce(effect, key)
        return _answer(effect.status, effect.body)

    def _remember(self, line: Line) -> None:
        # Through JSON, so that no two of them share a part that one could change.
        state = json.loads(json.dumps(line.state))
        self._intents[line.id] = state["intent"]
        self._saved[line.key] = Saved(state["fingerprint"], state["status"], state["body"])

    def _find(self, request: web.Request) -> Json:
        wanted = request.match_info["id"]
        if wanted not in self._intents:
            message = f"No such payment_intent: '{wanted[:80]}'"
            raise invalid("resource_missing", "intent", message, status=404)
        return self._intents[wanted]

    def _announce(self, effect: Effect, key: str) -> None:
        if Mode.NO_WEBHOOK in modes_of(effect.intent["description"] or ""):
            return
        new_id = event_id("evt")
        body = {
            "id": new_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": int(time.time()),
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": key},
            "type": effect.event_type,
            "data": {"object": effect.intent},
        }
        self._sender.send(
            Event(url=self._url, id=new_id, scheme="stripe", secret=self._secret, body=body)
        )

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(errors="replace"), self._key.encode()):
            error = {"type": "invalid_request_error", "message": "Invalid API Key provided."}
            raise Refused(401, error)


def _line(key: str, effect: Effect, saved: Saved) -> Line:
    intent = effect.intent
    return Line(
        provider="stripe",
        effect=effect.name,
        key=key,
        id=intent["id"],
        transaction_id=intent["metadata"].get("transaction_id", ""),
        reference=intent["description"] or "",
        amount_minor=intent["amount"],
        currency=intent["currency"].upper(),
        state={
            "intent": intent,
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


def _idempotency_error(status: int, code: str, what: str) -> Refused:
    error = {"type": "idempotency_error", "message": f"This idempotency key {what}."}
    return Refused(status, {**error, "code": code} if code else error)
