"""A Stripe account: its intents, refunds and customers as the book has them, the keys that replay
their first answer, and the signed events that report each change. The HTTP around it is in
stripe_api."""

import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.providers.simulator.book import Book, BookFull, Line
from services.providers.simulator.config import Config
from services.providers.simulator.stripe_forms import Json, Refused, missing
from services.providers.simulator.stripe_intents import shown
from services.providers.simulator.stripe_objects import (
    charge_of,
    charge_transaction,
    payment_method,
    refund_transaction,
    transaction_id,
)
from services.providers.simulator.webhooks import Event, Sender, event_id
from services.shared.env import Field, SecretStr

PROVIDER = "stripe"
API_VERSION = "2026-10-28.endive"
MISMATCH = "was used before with other parameters"
# So many events can be asked for; the older ones are forgotten.
EVENTS_KEPT = 10_000
# The names of objects in the book, by Stripe's own.
_KINDS = {"payment_intent": "intent", "refund": "refund", "customer": "customer"}
# The name in the book of a claim against a charge: a dispute, a warning or a review.
CLAIM = "claim"


class StripeStandIn(Config):
    """The variables of the simulator's Stripe."""

    secret_forms = {
        "stripe_api_key": "sk_test_{hex}",
        "stripe_webhook_secret": "whsec_{hex}",
    }

    stripe_api_key: SecretStr = Field(description="The one key that its Stripe accepts.")
    stripe_webhook_secret: SecretStr = Field(description="Signs its Stripe events.")


@dataclass(frozen=True)
class Effect:
    """The result of a request: the object after it, its name in the book, its event, and the answer
    where that is not the object."""

    subject: Json
    name: str
    event_type: str
    status: int = 200
    error: Json | None = None


@dataclass(frozen=True)
class Saved:
    """The first answer to a key, which every later request with it gets again."""

    fingerprint: str
    status: int
    body: Json
    replayed: bool = False


def stripe_headers(body: bytes, secret: str, timestamp: int, _event_id: str = "") -> dict[str, str]:
    """Stripe's signature: HMAC-SHA256 over "<time>.<body>", keyed with the secret as it is."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return {"stripe-signature": f"t={timestamp},v1={signed.hexdigest()}"}


def idempotency_error(status: int, code: str, what: str) -> Refused:
    """The refusal of a key."""
    error = {"type": "idempotency_error", "message": f"This idempotency key {what}."}
    return Refused(status, {**error, "code": code} if code else error)


class StripeAccount:
    """All that the provider knows, going on where the book ends. No object is ever changed in
    place: each change is another one under its id."""

    def __init__(self, config: StripeStandIn, book: Book, sender: Sender) -> None:
        self._secret = config.stripe_webhook_secret
        self._url = f"{config.gateway_url.rstrip('/')}/api/webhooks/stripe"
        self._book = book
        self._sender = sender
        self.intents: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.customers: dict[str, Json] = {}
        self.claims: dict[str, Json] = {}
        self.events: deque[Json] = deque(maxlen=EVENTS_KEPT)
        self._saved: dict[str, Saved] = {}
        self._running: set[str] = set()
        for line in book.remembered(PROVIDER):
            self.remember(line)

    async def once(self, key: str, fingerprint: str, work: Callable[[], Effect]) -> Saved:
        """Runs the work the first time that a key comes; gives the first answer ever after. Raises
        Refused, BookFull."""
        if key in self._running:
            raise idempotency_error(409, "idempotency_key_in_use", "is being used right now")
        if saved := self._saved.get(key):
            if saved.fingerprint != fingerprint:
                raise idempotency_error(400, "", MISMATCH)
            return Saved(saved.fingerprint, saved.status, saved.body, replayed=True)
        self._running.add(key)
        try:
            effect = work()
            line = _line(key, effect, fingerprint)
            try:
                await self._book.write(line)
            except BookFull:
                self.refunds.pop(line.id, None)
                raise
            event = self.remember(line)
        finally:
            self._running.discard(key)
        self.announce(effect, key, event)
        return self._saved[key]

    async def happens(self, effect: Effect) -> None:
        """Records a change that nobody asks for, as soon as there is room, under its object's
        key."""
        key = self._book.about(PROVIDER, effect.subject["id"])[0].key
        line = _line(key, effect, "")
        await self._book.write_in_time(line)
        self.announce(effect, key, self.remember(line))

    def announce(self, effect: Effect, key: str, event: Json) -> None:
        """Sends the events of a change; the first one is that of its line."""
        self.send(event)
        if effect.name == "refund_succeeded":
            intent_id = effect.subject["payment_intent"]
            charge = charge_of(self.intents[intent_id], self.refunds_of(intent_id))
            self.send(self._happened(event_head("charge.refunded"), charge, key))

    def forget(self, key: str) -> None:
        """Loses the operations with this key, as if they had never been."""
        for line in self._book.about(PROVIDER, key):
            self.intents.pop(line.id, None)
            self.refunds.pop(line.id, None)
        self.forget_key(key)

    def forget_key(self, key: str) -> None:
        """Loses the answer that is kept under a key."""
        self._saved.pop(key, None)

    async def settled(self) -> None:
        """Returns once all that is known is on disk."""
        await self._book.settled()

    def refunds_of(self, intent_id: str) -> list[Json]:
        """The refunds of an intent, oldest first."""
        return [one for one in self.refunds.values() if one["payment_intent"] == intent_id]

    def intent(self, wanted: str, parameter: str = "intent", status: int = 404) -> Json:
        """The intent with this id. Raises Refused."""
        if wanted not in self.intents:
            raise missing("payment_intent", wanted, parameter, status)
        return self.intents[wanted]

    def intent_named(self, name: str) -> Json:
        """The intent with this id, or made under this key. Raises Refused."""
        lines = self._book.about(PROVIDER, name)
        return self.intent(lines[0].id if lines else name)

    def charges(self) -> list[Json]:
        """The last charge of each intent that has one, newest first."""
        charged = [one for one in self.intents.values() if one["latest_charge"]]
        return [charge_of(one, self.refunds_of(one["id"])) for one in reversed(charged)]

    def transactions(self) -> list[Json]:
        """The entries of the charges and refunds in the balance, newest first."""
        found = [charge_transaction(i) for i in self.intents.values() if i["status"] == "succeeded"]
        taken = [one for one in self.refunds.values() if one["status"] == "succeeded"]
        found += [refund_transaction(one) for one in taken]
        return sorted(found, key=lambda one: one["created"], reverse=True)

    def find(self, wanted: str) -> Json | None:
        """Any object by its id, as the API shows it."""
        if wanted in self.intents:
            return shown(self.intents[wanted])
        if found := self.refunds.get(wanted) or self.customers.get(wanted):
            return refund_shown(found) if found["object"] == "refund" else found
        if wanted.startswith("ch_"):
            return next((one for one in self.charges() if one["id"] == wanted), None)
        if wanted.startswith("txn_"):
            return next((one for one in self.transactions() if one["id"] == wanted), None)
        return self.claims.get(wanted) or payment_method(wanted)

    def remember(self, line: Line) -> Json:
        """Takes what a line of the book says; gives its event, which can be asked for from then
        on."""
        kinds = {
            "intent": self.intents,
            "refund": self.refunds,
            "customer": self.customers,
            CLAIM: self.claims,
        }
        kind, objects = next(one for one in kinds.items() if one[0] in line.state)
        subject = line.state[kind]
        objects[line.id] = subject
        if fingerprint := line.state["fingerprint"]:
            body = line.state.get("body") or subject
            self._saved[line.key] = Saved(fingerprint, line.state["status"], body)
        head = line.state.get("event")
        # A book of an older simulator has none.
        return self._happened(head, subject, line.key) if head else {}

    def _happened(self, head: Json, subject: Json, key: str) -> Json:
        """The event about an object, as Stripe sends and lists it; kept for the list."""
        whole = shown(subject) if subject["object"] == "payment_intent" else subject
        event = {
            "id": head["id"],
            "object": "event",
            "api_version": API_VERSION,
            "created": head["created"],
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": key},
            "type": head["type"],
            "data": {"object": whole},
        }
        self.events.append(event)
        return event

    def send(self, event: Json) -> None:
        """Sends an event as a webhook."""
        webhook = Event(
            provider=PROVIDER,
            key=event["request"]["idempotency_key"],
            url=self._url,
            id=event["id"],
            sign=stripe_headers,
            secret=self._secret,
            body=event,
        )
        self._sender.send(webhook)


def event_head(event_type: str) -> Json:
    """All of a new event but its object, as a line of the book keeps it."""
    return {"id": event_id("evt"), "type": event_type, "created": int(time.time())}


def refund_shown(refund: Json) -> Json:
    """The whole refund, as the API has it."""
    return {"balance_transaction": transaction_id(refund["id"]), "receipt_number": None, **refund}


def fingerprint(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    """The same for two requests that are the same."""
    return hashlib.sha256(json.dumps([path, sorted(pairs)]).encode()).hexdigest()


def _line(key: str, effect: Effect, made_by: str) -> Line:
    subject = effect.subject
    state = {
        _KINDS[subject["object"]]: subject,
        "fingerprint": made_by,
        "status": effect.status,
        "event": event_head(effect.event_type),
    }
    if effect.error is not None:
        state["body"] = effect.error
    return Line(
        provider=PROVIDER,
        effect=effect.name,
        key=key,
        id=subject["id"],
        transaction_id=subject["metadata"].get("transaction_id", ""),
        reference=subject["description"] or "",
        amount_minor=subject.get("amount_received") or subject.get("amount") or 0,
        currency=(subject["currency"] or "").upper(),
        state=state,
    )
