"""The payer of a card that asks for one: authenticates, fails to, or walks away. It acts by the
merchant's words some seconds later, by a call of a test, or by the page that it is sent to."""

import asyncio
import json
from html import escape

from aiohttp import web

from services.providers.simulator.background import Background
from services.providers.simulator.faults.control import Control, Subject
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.stripe_account import PROVIDER, Effect, StripeAccount
from services.providers.simulator.stripe_forms import Json, Refused, invalid
from services.providers.simulator.stripe_http import answer
from services.providers.simulator.stripe_intents import authenticated, shown

WAITS = "requires_action"
_PAGE = """<!doctype html><title>Stand-in of a bank</title>
<h1>{title}</h1><p>{text}</p>{form}"""
_FORM = """<form method="post">
<button name="does" value="authenticate">Authenticate</button>
<button name="does" value="fail">Fail</button></form>"""


class Payers:
    """All payers of an account."""

    def __init__(self, account: StripeAccount, control: Control) -> None:
        self._account = account
        self._control = control
        self._acting = Background()

    def routes(self) -> list[web.RouteDef]:
        """The page of a payer, and the call that acts for it."""
        return [
            web.post("/control/stripe/payer/{id}", self._asked_to),
            web.get("/3d_secure_2/hosted/{id}", self._page),
            web.post("/3d_secure_2/hosted/{id}", self._left),
        ]

    async def close(self) -> None:
        """Leaves the payers where they are."""
        await self._acting.close()

    def asked(self, intent: Json) -> None:
        """The payer of an intent that asks for it acts where the merchant's words say so."""
        if intent["status"] != WAITS:
            return
        words = Subject(PROVIDER, intent["id"], intent["description"] or "")
        modes = self._control.active(words, Step.SETTLE)
        for mode in (Mode.PAYER_AUTHENTICATES, Mode.PAYER_FAILS):
            if mode in modes:
                fails = mode is Mode.PAYER_FAILS
                self._acting.start(self._act_in(modes[mode], intent["id"], fails=fails))
                return

    async def _act_in(self, seconds: int, intent_id: str, *, fails: bool) -> None:
        await asyncio.sleep(seconds)
        intent = self._account.intents.get(intent_id)
        if intent is not None and intent["status"] == WAITS:
            await self._act(intent, fails=fails)

    async def _act(self, intent: Json, *, fails: bool) -> Json:
        after = authenticated(intent, fails=fails)
        # At once, so that nobody acts twice before it is on disk.
        self._account.intents[intent["id"]] = after
        await self._account.happens(effect_of(after, after["last_payment_error"]))
        return after

    async def _asked_to(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text() or "{}")
            does = body.get("does") if isinstance(body, dict) else None
            if does not in ("authenticate", "fail"):
                message = 'The body must be {"does": "authenticate"} or {"does": "fail"}.'
                raise invalid("", "does", message)
            intent = self._account.intent_named(request.match_info["id"])
            after = await self._act(intent, fails=does == "fail")
        except Refused as refused:
            return answer(refused.status, refused.body)
        except ValueError:
            return answer(400, invalid("", "", "The body must be JSON.").body)
        return answer(200, {"id": after["id"], "status": after["status"]})

    async def _page(self, request: web.Request) -> web.Response:
        return _shown(self._account.intents.get(request.match_info["id"]))

    async def _left(self, request: web.Request) -> web.Response:
        intent = self._account.intents.get(request.match_info["id"])
        if intent is None or intent["status"] != WAITS:
            return _shown(intent)
        to = (intent["next_action"].get("redirect_to_url") or {}).get("return_url")
        fails = (await request.post()).get("does") != "authenticate"
        after = await self._act(intent, fails=fails)
        if to:
            raise web.HTTPSeeOther(to)
        return _shown(after)


def effect_of(intent: Json, error: Json | None) -> Effect:
    """The effect of a charge, or of its payer, on an intent."""
    if error:
        body = {"error": {**error, "payment_intent": shown(intent)}}
        return Effect(intent, "charge_declined", "payment_intent.payment_failed", 402, body)
    if intent["status"] == "succeeded":
        return Effect(intent, "charge_succeeded", "payment_intent.succeeded")
    if intent["status"] == "requires_capture":
        return Effect(intent, "charge_authorized", "payment_intent.amount_capturable_updated")
    return Effect(intent, "action_required", "payment_intent.requires_action")


def _shown(intent: Json | None) -> web.Response:
    if intent is None:
        text = _PAGE.format(title="Nobody is asked for here", text="", form="")
        return web.Response(text=text, content_type="text/html", status=404)
    amount = f"{intent['amount']} {intent['currency']}"
    waits = intent["status"] == WAITS
    text = f"A payment of {escape(amount)} is {escape(intent['status'])}."
    page = _PAGE.format(title="Your bank asks for you", text=text, form=_FORM if waits else "")
    return web.Response(text=page, content_type="text/html")
