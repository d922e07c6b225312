"""Flutterwave's v3 HTTP, as far as payouts need it: create, list and retrieve transfers. Calls that
move nothing are in flutterwave_banks; flutterwave_account settles a transfer, flutterwave_transfers
writes it."""

import json
from decimal import Decimal

from aiohttp import web

from services.providers.simulator.bearer import Handler, answering, refusing
from services.providers.simulator.book import Book
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.faults.wire import At, Call, Wire
from services.providers.simulator.flutterwave_account import Account, FlutterwaveStandIn
from services.providers.simulator.flutterwave_banks import Banks
from services.providers.simulator.flutterwave_refusals import REFUSALS
from services.providers.simulator.flutterwave_transfers import (
    PROVIDER,
    QUEUED,
    Json,
    Refused,
    as_answer,
    duplicate,
    error,
    new_transfer,
    success,
)
from services.providers.simulator.webhooks import Sender

TRANSFERS = "/v3/transfers"
PAGE_LENGTH = 20
EXEMPT = {
    Mode.ERROR_CACHED: "it keeps no answers, only transfers",
    Mode.KEY_TTL: "a reference is its transfer's own name, for ever",
    Mode.NO_BALANCE: "a balance is looked at when a transfer is processed: FLUTTERWAVE_BALANCE",
    Mode.REFUND_FAILS: "it refunds nothing",
    Mode.PAYER_AUTHENTICATES: "it has no payer",
    Mode.PAYER_FAILS: "it has no payer",
    Mode.DISPUTE: "it charges no card",
    Mode.OLD_TIMESTAMP: "its events hold no time",
    Mode.FUTURE_TIMESTAMP: "its events hold no time",
}


class FlutterwaveApi:
    """The server's handlers."""

    settings = FlutterwaveStandIn

    def __init__(
        self, config: FlutterwaveStandIn, book: Book, sender: Sender, control: Control
    ) -> None:
        self._key = config.flutterwave_api_key.get_secret_value()
        self._account = Account(config, book, sender, control)

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        return [
            *Banks(self._account).routes(self._answering),
            web.post(TRANSFERS, self._answering(self._create)),
            web.get(TRANSFERS, self._answering(self._list)),
            web.get(f"{TRANSFERS}/{{id}}", self._answering(self._retrieve)),
        ]

    def wire(self) -> Wire:
        """The declaration of this API for faults."""
        sent, listed = At("body", "reference"), At("query", "reference")
        words, number = At("body", "narration"), At("path", "id")
        return Wire(
            provider=PROVIDER,
            calls=(
                Call(
                    method="POST",
                    path=TRANSFERS,
                    step=Step.SEND,
                    key=sent,
                    words=words,
                    refusals=[(status, error(words)) for status, words in REFUSALS],
                ),
                Call(
                    method="GET",
                    path=TRANSFERS,
                    step=Step.LIST,
                    key=listed,
                    without_key=Step.LIST_ALL,
                ),
                Call(method="GET", path=f"{TRANSFERS}/{{id}}", step=Step.LOOK_UP, key=number),
            ),
            amount_fields=frozenset({"amount"}),
            currency_field="currency",
            status_field="status",
            error=lambda _, message: error(message),
            mismatch=(400, error(duplicate("of another transfer"))),
            forget=self._account.forget,
            turn=self._account.turn,
            exempt=EXEMPT,
            unrecognized=refusing(
                self._key,
                lambda request: Refused(404, f"Cannot {request.method} {request.path}"),
            ),
        )

    async def close(self) -> None:
        """Stops processing; what is still queued goes on after the next start."""
        await self._account.close()

    def _answering(self, handler: Handler) -> Handler:
        return answering(handler, key=self._key, unknown=Refused(401, "Invalid authorization key"))

    async def _create(self, request: web.Request) -> web.Response:
        transfer = new_transfer(await _body(request), self._account.next_id())
        if transfer["reference"] in self._account:
            raise Refused(400, duplicate(transfer["reference"]))
        await self._account.queue(transfer)
        return web.json_response(success(QUEUED, as_answer(transfer)))

    async def _list(self, request: web.Request) -> web.Response:
        # The first request with a reference may still be on its way to the disk.
        await self._account.settled()
        names = [name for name in ("reference", "status") if name in request.query]
        asked = {name: request.query[name] for name in names}
        if "status" in asked:
            # Its documents and SDKs write it in small letters, its transfers in capitals.
            asked["status"] = asked["status"].upper()
        found = [
            as_answer(transfer)
            for transfer in self._account
            if all(transfer[name] == value for name, value in asked.items())
            # Days, both of them included.
            and request.query.get("from", "") <= transfer["created_at"][:10]
            and transfer["created_at"][:10] <= request.query.get("to", "9")
        ]
        page = request.query.get("page", "1")
        if not page.isdecimal() or len(page) > 9 or page == "0":
            raise Refused(400, "page must be a positive number")
        start = (int(page) - 1) * PAGE_LENGTH
        info = {
            "total": len(found),
            "current_page": int(page),
            "total_pages": -(-len(found) // PAGE_LENGTH),
        }
        shown = found[start : start + PAGE_LENGTH]
        return web.json_response(success("Transfers fetched", shown, meta={"page_info": info}))

    async def _retrieve(self, request: web.Request) -> web.Response:
        await self._account.settled()
        transfer = self._account.find(request.match_info["id"])
        if transfer is None:
            raise Refused(404, "Transfer not found")
        return web.json_response(success("Transfer fetched", as_answer(transfer)))


async def _body(request: web.Request) -> Json:
    try:
        body = json.loads(await request.text(), parse_float=Decimal)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return body


API = FlutterwaveApi
