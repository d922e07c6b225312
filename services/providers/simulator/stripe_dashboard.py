"""Changes at Stripe without a request of ours: disputes, fraud warnings, reviews, and refunds that
somebody makes in the dashboard. Control routes raise them, and the mode `dispute` opens a
dispute by itself and decides it."""

import asyncio
import hashlib
import json
import secrets
import time
from typing import Any

from aiohttp import web

from services.providers.simulator.background import Background
from services.providers.simulator.book import Book, Line
from services.providers.simulator.faults.control import Control, Subject
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.stripe_account import (
    CLAIM,
    PROVIDER,
    Effect,
    StripeAccount,
    event_head,
)
from services.providers.simulator.stripe_forms import Json
from services.providers.simulator.stripe_refunds import new_refund

# The progress of a dispute that a person may ask for, and its event.
STATUSES = {
    "under_review": "updated",
    "needs_response": "updated",
    "won": "closed",
    "lost": "closed",
    "warning_under_review": "updated",
    "warning_closed": "closed",
}
OPEN = frozenset(
    {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}
)
# As long as most schemes give.
RESPONSE_SECONDS = 7 * 86_400


class Dashboard:
    """The claims against charges, and the handlers of the control routes."""

    def __init__(self, account: StripeAccount, book: Book, control: Control) -> None:
        self._account = account
        self._book = book
        self._control = control
        self._awaited: set[str] = set()
        self._running = Background()

    def routes(self) -> list[web.RouteDef]:
        """The control routes."""
        path = "/control/stripe"
        return [
            web.post(f"{path}/disputes", self._opens),
            web.post(f"{path}/disputes/{{id}}", self._decides),
            web.post(f"{path}/warnings", self._warns),
            web.post(f"{path}/reviews", self._reviews),
            web.post(f"{path}/reviews/{{id}}", self._approves),
            web.post(f"{path}/refunds", self._refunds),
        ]

    async def close(self) -> None:
        """Stops what goes on by itself."""
        await self._running.close()

    def is_disputed(self, intent_id: str) -> bool:
        """Whether a dispute stands in the way of a refund."""
        return any(
            claim["object"] == "dispute"
            and claim["payment_intent"] == intent_id
            and not claim["is_charge_refundable"]
            for claim in self._account.claims.values()
        )

    def charged(self, intent: Json) -> None:
        """The payer of a charge disputes it where the merchant's words say so."""
        words = Subject(PROVIDER, intent["id"], intent["description"] or "")
        seconds = self._control.active(words, Step.SETTLE).get(Mode.DISPUTE)
        if seconds is None or intent["status"] != "succeeded" or intent["id"] in self._awaited:
            return
        self._awaited.add(intent["id"])
        # The same way in each run.
        payment = intent["metadata"].get("transaction_id", "")
        wins = int(hashlib.sha256(payment.encode()).hexdigest(), 16) % 2 == 0
        self._running.start(self._dispute_later(intent["id"], seconds, wins=wins))

    async def _dispute_later(self, intent_id: str, seconds: int, *, wins: bool) -> None:
        await asyncio.sleep(seconds)
        intent = self._intent_of(intent_id)
        if intent is None:
            return
        dispute = await self._open(intent, intent["amount"], "fraudulent", inquiry=False)
        await asyncio.sleep(seconds)
        await self._decide(dispute, "won" if wins else "lost")

    async def _opens(self, request: web.Request) -> web.Response:
        body, intent = await self._asked(request, "amount", "reason", "inquiry")
        amount = body.get("amount", intent["amount"])
        if type(amount) is not int or not 0 < amount <= intent["amount"]:
            raise web.HTTPBadRequest(text="amount is in cents, at most what was charged")
        reason, inquiry = str(body.get("reason", "fraudulent")), body.get("inquiry", False) is True
        return web.json_response(await self._open(intent, amount, reason, inquiry=inquiry))

    async def _decides(self, request: web.Request) -> web.Response:
        dispute = self._named(request, "dispute")
        status = str((await _body(request, "status")).get("status", ""))
        if status not in STATUSES or dispute["status"] not in OPEN:
            raise web.HTTPBadRequest(text=f"an open dispute may become {', '.join(STATUSES)}")
        return web.json_response(await self._decide(dispute, status))

    async def _open(self, intent: Json, amount: int, reason: str, *, inquiry: bool) -> Json:
        dispute: Json = {
            "id": f"du_{secrets.token_hex(12)}",
            "object": "dispute",
            "amount": amount,
            "balance_transactions": [],
            "charge": intent["latest_charge"],
            "created": int(time.time()),
            "currency": intent["currency"],
            "evidence_details": {
                "due_by": int(time.time()) + RESPONSE_SECONDS,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            # An inquiry takes no money, and ends with a refund.
            "is_charge_refundable": inquiry,
            "livemode": False,
            "metadata": {},
            "payment_intent": intent["id"],
            "reason": reason,
            "status": "warning_needs_response" if inquiry else "needs_response",
        }
        await self._keep(dispute, intent, ("dispute_opened", "charge.dispute.created"), 0)
        if inquiry:
            return dispute
        return await self._move(dispute, "withdrawn", -amount)

    async def _decide(self, dispute: Json, status: str) -> Json:
        decided = {
            **dispute,
            "status": status,
            "is_charge_refundable": status == "won" or status.startswith("warning_"),
        }
        named = (f"dispute_{status}", f"charge.dispute.{STATUSES[status]}")
        await self._keep(decided, self._intent(dispute), named, 0)
        if status == "won":
            return await self._move(decided, "reinstated", decided["amount"])
        return decided

    async def _move(self, dispute: Json, direction: str, amount: int) -> Json:
        """Money is taken from our balance there, or given back to it."""
        entry = {
            "id": f"txn_{secrets.token_hex(12)}",
            "object": "balance_transaction",
            "amount": amount,
            "currency": dispute["currency"],
            "fee": 1500 if amount < 0 else 0,
            "net": amount - (1500 if amount < 0 else 0),
            "type": "adjustment",
        }
        moved = {**dispute, "balance_transactions": [*dispute["balance_transactions"], entry]}
        named = (f"dispute_{direction}", f"charge.dispute.funds_{direction}")
        await self._keep(moved, self._intent(dispute), named, abs(amount))
        return moved

    async def _warns(self, request: web.Request) -> web.Response:
        body, intent = await self._asked(request, "fraud_type")
        warning = {
            "id": f"issfr_{secrets.token_hex(12)}",
            "object": "radar.early_fraud_warning",
            "actionable": True,
            "charge": intent["latest_charge"],
            "created": int(time.time()),
            "fraud_type": str(body.get("fraud_type", "made_with_stolen_card")),
            "livemode": False,
            "payment_intent": intent["id"],
        }
        named = ("fraud_warning", "radar.early_fraud_warning.created")
        await self._keep(warning, intent, named, 0)
        return web.json_response(warning)

    async def _reviews(self, request: web.Request) -> web.Response:
        _, intent = await self._asked(request)
        review = {
            "id": f"prv_{secrets.token_hex(12)}",
            "object": "review",
            "charge": intent["latest_charge"],
            "closed_reason": None,
            "created": int(time.time()),
            "livemode": False,
            "open": True,
            "opened_reason": "rule",
            "payment_intent": intent["id"],
            "reason": "rule",
        }
        await self._keep(review, intent, ("review_opened", "review.opened"), 0)
        return web.json_response(review)

    async def _approves(self, request: web.Request) -> web.Response:
        review = self._named(request, "review")
        closed = {**review, "open": False, "reason": "approved", "closed_reason": "approved"}
        await self._keep(closed, self._intent(review), ("review_closed", "review.closed"), 0)
        return web.json_response(closed)

    async def _refunds(self, request: web.Request) -> web.Response:
        body, intent = await self._asked(request, "amount")
        form = {"amount": str(body["amount"])} if "amount" in body else {}
        refund = new_refund(form, intent, self._account.refunds_of(intent["id"]), fails=False)
        effect = Effect(refund, "refund_succeeded", "refund.created")
        state = {"refund": refund, "status": 200, **_new_state(effect.event_type)}
        line = self._line(refund, intent, effect.name, refund["amount"], state)
        await self._book.write(line)
        self._account.announce(effect, line.key, self._account.remember(line))
        return web.json_response(refund)

    async def _keep(self, claim: Json, intent: Json, named: tuple[str, str], amount: int) -> None:
        """Writes a claim as it is now, and sends its event; `named` are the effect and the type of
        the event."""
        effect, event_type = named
        line = self._line(claim, intent, effect, amount, {CLAIM: claim, **_new_state(event_type)})
        await self._book.write_in_time(line)
        self._account.send(self._account.remember(line))

    def _line(
        self, subject: Json, intent: Json, effect: str, amount: int, state: dict[str, Any]
    ) -> Line:
        return Line(
            provider=PROVIDER,
            effect=effect,
            key=subject["id"],
            id=subject["id"],
            transaction_id=intent["metadata"].get("transaction_id", ""),
            reference=intent["description"] or "",
            amount_minor=amount,
            currency=intent["currency"].upper(),
            state=state,
        )

    def _intent_of(self, wanted: str) -> Json | None:
        """The intent that was charged, by Stripe's id or our payment's."""
        for intent in self._account.intents.values():
            named = (intent["id"], intent["metadata"].get("transaction_id"))
            if wanted in named and intent["status"] == "succeeded":
                return intent
        return None

    def _intent(self, claim: Json) -> Json:
        intent = self._intent_of(claim["payment_intent"])
        if intent is None:
            raise web.HTTPNotFound(text="its charge is forgotten")
        return intent

    def _named(self, request: web.Request, kind: str) -> Json:
        claim = self._account.claims.get(request.match_info["id"])
        if claim is None or claim["object"] != kind:
            raise web.HTTPNotFound(text=f"no such {kind}")
        return claim

    async def _asked(self, request: web.Request, *names: str) -> tuple[Json, Json]:
        """The body, and the intent of the payment that it names."""
        body = await _body(request, "transaction_id", *names)
        intent = self._intent_of(str(body.get("transaction_id", "")))
        if intent is None:
            raise web.HTTPNotFound(text="transaction_id must name a payment that was charged")
        return body, intent


def _new_state(event_type: str) -> Json:
    """The state of a line that no request has made, with its event."""
    return {"fingerprint": "", "event": event_head(event_type)}


async def _body(request: web.Request, *names: str) -> Json:
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict) or set(body) - set(names):
        raise web.HTTPBadRequest(text=f"the body is an object with {', '.join(names)}")
    return body
