"""Stripe's calls that only show: every list, and each object by its id."""

from collections.abc import Sequence

from aiohttp import web

from services.providers.simulator.stripe_account import refund_shown
from services.providers.simulator.stripe_events import EVENT_FILTERS, of_types
from services.providers.simulator.stripe_forms import Form, Json, check_names, missing, names
from services.providers.simulator.stripe_http import Handler, StripeHttp, answer
from services.providers.simulator.stripe_intents import shown
from services.providers.simulator.stripe_lists import PAGING, page
from services.providers.simulator.stripe_objects import balance

# The parameters of each list beside those of paging, each with the field that it compares.
_FILTERS = {
    "balance_transactions": {"currency": "currency", "source": "source", "type": "type"},
    "charges": {"customer": "customer", "payment_intent": "payment_intent"},
    "customers": {"email": "email"},
    # Its own filters are those of stripe_events.
    "events": {},
    "payment_intents": {"customer": "customer"},
    "refunds": {"payment_intent": "payment_intent", "charge": "charge"},
}
_DOCUMENTED = {
    "balance_transactions": "payout",
    "charges": "transfer_group",
    "customers": "test_clock",
    "events": "delivery_success",
    "payment_intents": "customer_account",
}
# The objects that are read by their id: noun, and how the ids begin.
_BY_ID = {
    "balance_transactions": ("balance_transaction", "txn_"),
    "charges": ("charge", "ch_"),
    "customers": ("customer", "cus_"),
    "payment_methods": ("PaymentMethod", "pm_"),
    "disputes": ("dispute", "du_"),
    "refunds": ("refund", "re_"),
}


class Reads:
    """The calls of Stripe that change nothing."""

    def __init__(self, http: StripeHttp) -> None:
        self._http = http
        self._account = http.account

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        lists = [web.get(f"/v1/{noun}", self._listing(noun)) for noun in _FILTERS]
        singles = [
            web.get(f"/v1/{noun}/{{id}}", self._finding(*named)) for noun, named in _BY_ID.items()
        ]
        balances = web.get("/v1/balance", self._http.answering(self._balance))
        events = web.get("/v1/events/{id}", self._http.answering(self._event))
        return [*lists, *singles, balances, events]

    def _listing(self, noun: str) -> Handler:
        filters = _FILTERS[noun]
        own = EVENT_FILTERS if noun == "events" else " ".join(filters)
        known = names(f"{PAGING} {own}", _DOCUMENTED.get(noun, ""))

        async def listed(request: web.Request) -> web.Response:
            check_names(request.query, known)
            # The newest may still be on its way to the disk.
            await self._account.settled()
            asked = {filters[name]: request.query[name] for name in filters.keys() & request.query}
            found = [one for one in self._all(noun) if asked.items() <= _comparable(one).items()]
            if noun == "events":
                found = of_types(found, request.query)
            return self._http.shown(page(f"/v1/{noun}", found, request.query), request.query)

        return self._http.answering(listed)

    def _finding(self, noun: str, prefix: str) -> Handler:
        async def found(request: web.Request) -> web.Response:
            check_names(request.query, names(""))
            wanted = request.match_info["id"]
            one = self._account.find(wanted) if wanted.startswith(prefix) else None
            if one is None:
                raise missing(noun, wanted, "id")
            return self._http.shown(one, request.query)

        return self._http.answering(found)

    async def _balance(self, _: web.Request) -> web.Response:
        return answer(200, balance(self._account.transactions()))

    async def _event(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        found = next((one for one in self._account.events if one["id"] == wanted), None)
        if found is None:
            raise missing("event", wanted, "id")
        return answer(200, found)

    def _all(self, noun: str) -> Sequence[Json]:
        account = self._account
        if noun == "charges":
            return account.charges()
        if noun == "balance_transactions":
            return account.transactions()
        if noun == "payment_intents":
            return [shown(one) for one in reversed(account.intents.values())]
        if noun == "refunds":
            return [refund_shown(one) for one in reversed(account.refunds.values())]
        return list(reversed(account.customers.values() if noun == "customers" else account.events))


def _comparable(one: Json) -> Form:
    return {name: value for name, value in one.items() if isinstance(value, str)}
