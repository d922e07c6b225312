"""Stripe's HTTP, as its SDKs see it: payment intents from their creation to their end, refunds,
and customers. Its lists are in stripe_reads, its payers in stripe_payer, all that it knows in
stripe_account, and the rules of each object in a module of its name."""

import re

from aiohttp import web

from services.providers.simulator import stripe_intents, stripe_refunds
from services.providers.simulator.book import Book
from services.providers.simulator.faults.control import Control, Subject
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.faults.wire import NO_KEY, At, Call, Wire, row
from services.providers.simulator.stripe_account import (
    MISMATCH,
    PROVIDER,
    Effect,
    StripeAccount,
    StripeStandIn,
    idempotency_error,
    stripe_headers,
)
from services.providers.simulator.stripe_dashboard import Dashboard
from services.providers.simulator.stripe_forms import (
    Form,
    Json,
    boolean,
    check_names,
    invalid,
    missing,
    names,
)
from services.providers.simulator.stripe_http import StripeHttp
from services.providers.simulator.stripe_intents import shown
from services.providers.simulator.stripe_objects import CUSTOMER, new_customer, updated_customer
from services.providers.simulator.stripe_payer import Payers, effect_of
from services.providers.simulator.stripe_reads import Reads
from services.providers.simulator.stripe_refusals import DECLINES, REFUSALS
from services.providers.simulator.webhooks import Sender

__all__ = ["API", "StripeApi", "stripe_headers"]

INTENTS, REFUNDS, CUSTOMERS = "/v1/payment_intents", "/v1/refunds", "/v1/customers"
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


class StripeApi:
    """The server's handlers."""

    settings = StripeStandIn

    def __init__(self, config: StripeStandIn, book: Book, sender: Sender, control: Control) -> None:
        self._account = StripeAccount(config, book, sender)
        self._control = control
        self._payers = Payers(self._account, control)
        key = config.stripe_api_key.get_secret_value()
        self._dashboard = Dashboard(self._account, book, control)
        self._http = StripeHttp(self._account, key, self._made)
        self._reads = Reads(self._http)
        for intent in self._account.intents.values():
            self._payers.asked(intent)

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        one = f"{INTENTS}/{{id}}"
        return [
            web.post(INTENTS, self._http.answering(self._create)),
            web.get(f"{INTENTS}/search", self._http.answering(self._search)),
            web.get(one, self._http.answering(self._retrieve)),
            web.post(one, self._http.changing(stripe_intents.UPDATE, self._update)),
            web.post(f"{one}/confirm", self._http.answering(self._confirm)),
            web.post(f"{one}/capture", self._http.changing(stripe_intents.CAPTURE, self._capture)),
            web.post(f"{one}/cancel", self._http.changing(stripe_intents.CANCEL, self._cancel)),
            web.post(REFUNDS, self._http.answering(self._create_refund)),
            web.post(CUSTOMERS, self._http.answering(self._create_customer)),
            web.post(f"{CUSTOMERS}/{{id}}", self._http.changing(CUSTOMER, self._update_customer)),
            *self._reads.routes(),
            *self._payers.routes(),
            *self._dashboard.routes(),
        ]

    def wire(self) -> Wire:
        """The declaration of this API for faults."""
        key, by_path = At("header", "idempotency-key"), At("path", "id")
        found = At("query", "query", r"metadata\['operation_key'\]:'([^']*)'")
        words, amount = At("body", "description"), At("body", "amount")
        by_id, searched = f"{INTENTS}/{{id}}", f"{INTENTS}/search"
        created = Call(
            method="POST",
            path=INTENTS,
            step=Step.SEND,
            key=key,
            words=words,
            amount_minor=amount,
            refusals=REFUSALS,
        )
        return Wire(
            provider=PROVIDER,
            calls=(
                created,
                Call(method="GET", path=by_id, step=Step.LOOK_UP, key=by_path),
                Call(method="GET", path=searched, step=Step.LIST, key=found),
                Call(method="POST", path=f"{by_id}/cancel", step=Step.CANCEL, key=by_path),
                Call(method="POST", path=REFUNDS, step=Step.SEND, key=key, amount_minor=amount),
                Call(
                    method="GET",
                    path=REFUNDS,
                    step=Step.LIST,
                    key=At("query", "payment_intent"),
                    without_key=Step.LIST_ALL,
                ),
                Call(method="GET", path=INTENTS, step=Step.LIST_ALL, key=NO_KEY),
                Call(method="GET", path=f"{REFUNDS}/{{id}}", step=Step.LOOK_UP, key=by_path),
            ),
            amount_fields=frozenset({"amount", "amount_received"}),
            currency_field="currency",
            status_field="status",
            error=_fault,
            mismatch=(400, idempotency_error(400, "", MISMATCH).body),
            replay_headers={"Idempotent-Replayed": "true"},
            forget=self._account.forget,
            forget_key=self._account.forget_key,
            exempt=_EXEMPT,
            unrecognized=self._http.unrecognized,
        )

    async def close(self) -> None:
        """Leaves the payers where they are."""
        await self._payers.close()
        await self._dashboard.close()

    def _made(self, intent: Json) -> None:
        self._payers.asked(intent)
        self._dashboard.charged(intent)

    async def _create(self, request: web.Request) -> web.Response:
        version = request.headers.get("stripe-version", "")
        origin = str(request.url.origin())

        def create(form: Form) -> Effect:
            intent = stripe_intents.new_intent(form, version)
            if intent["customer"] and intent["customer"] not in self._account.customers:
                raise missing("customer", intent["customer"], "customer", 400)
            if not boolean(form, "confirm") or not intent["payment_method"]:
                return Effect(intent, "intent_created", "payment_intent.created")
            return self._charged(intent, form, origin)

        return await self._http.once(request, stripe_intents.CREATE, create)

    async def _confirm(self, request: web.Request) -> web.Response:
        origin = str(request.url.origin())

        def confirm(form: Form) -> Effect:
            intent = self._account.intent(request.match_info["id"])
            return self._charged(stripe_intents.confirming(intent, form), form, origin)

        return await self._http.once(request, stripe_intents.CONFIRM, confirm)

    def _charged(self, intent: Json, form: Form, origin: str) -> Effect:
        words = Subject(PROVIDER, intent["id"], intent["description"] or "")
        modes = self._control.active(words, Step.SETTLE)
        decline = row(DECLINES, modes.get(Mode.FAILS_AS))
        error = stripe_intents.charge(intent, form, decline, origin=origin)
        return effect_of(intent, error)

    def _update(self, wanted: str, form: Form) -> Effect:
        intent = stripe_intents.updated(self._account.intent(wanted), form)
        return Effect(intent, "intent_updated", "payment_intent.updated")

    def _capture(self, wanted: str, form: Form) -> Effect:
        intent = stripe_intents.captured(self._account.intent(wanted), form)
        return Effect(intent, "charge_succeeded", "payment_intent.succeeded")

    def _cancel(self, wanted: str, form: Form) -> Effect:
        intent = stripe_intents.cancelled(self._account.intent(wanted), form)
        return Effect(intent, "intent_canceled", "payment_intent.canceled")

    async def _retrieve(self, request: web.Request) -> web.Response:
        check_names(request.query, names("client_secret"))
        intent = self._account.intent(request.match_info["id"])
        return self._http.shown(shown(intent), request.query)

    async def _search(self, request: web.Request) -> web.Response:
        match = _SEARCH.fullmatch(request.query.get("query", ""))
        if match is None:
            raise invalid("search_query_invalid", "query", "We cannot understand the query.")
        name, value = match.groups()
        intents = self._account.intents.values()
        found = [shown(one) for one in intents if one["metadata"].get(name) == value]
        body = {"object": "search_result", "url": f"{INTENTS}/search", "has_more": False}
        return self._http.shown({**body, "next_page": None, "data": found}, request.query)

    async def _create_refund(self, request: web.Request) -> web.Response:
        def create(form: Form) -> Effect:
            intent = self._refunded_intent(form)
            subject = self._control.subject(PROVIDER, intent["id"])
            failing = self._control.active(subject, Step.SETTLE).get(Mode.REFUND_FAILS)
            if self._dashboard.is_disputed(intent["id"]):
                message = f"Charge {intent['latest_charge']} has been charged back."
                raise invalid("charge_disputed", "", message)
            others = self._account.refunds_of(intent["id"])
            fails = failing is not None and (not failing or len(others) < failing)
            refund = stripe_refunds.new_refund(form, intent, others, fails=fails)
            # Counted from here on, so that no second one at the same time exceeds the charge.
            self._account.refunds[refund["id"]] = refund
            event = "refund.failed" if refund["status"] == "failed" else "refund.created"
            return Effect(refund, f"refund_{refund['status']}", event)

        return await self._http.once(request, stripe_refunds.CREATE, create)

    def _refunded_intent(self, form: Form) -> Json:
        charge = form.get("charge")
        if charge is None or "payment_intent" in form:
            return self._account.intent(form.get("payment_intent", ""), "payment_intent")
        intents = self._account.intents.values()
        found = next((one for one in intents if one["latest_charge"] == charge), None)
        if found is None:
            raise missing("charge", charge, "charge")
        return found

    async def _create_customer(self, request: web.Request) -> web.Response:
        def create(form: Form) -> Effect:
            return Effect(new_customer(form), "customer_created", "customer.created")

        return await self._http.once(request, CUSTOMER, create)

    def _update_customer(self, wanted: str, form: Form) -> Effect:
        customer = self._account.customers.get(wanted)
        if customer is None:
            raise missing("customer", wanted, "id")
        return Effect(updated_customer(customer, form), "customer_updated", "customer.updated")


def _fault(status: int, message: str) -> Json:
    error_type = "rate_limit_error" if status == 429 else "api_error"
    return {"error": {"type": error_type, "message": message}}


API = StripeApi
