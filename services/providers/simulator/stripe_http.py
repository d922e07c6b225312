"""All that calls to Stripe share: who asks, keys that replay, objects in place of ids, and answers
with an id of their own. The calls themselves are in stripe_api, stripe_reads and stripe_payer."""

import base64
import hmac
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from aiohttp import web

from services.providers.simulator.stripe_account import (
    Effect,
    StripeAccount,
    fingerprint,
    refund_shown,
)
from services.providers.simulator.stripe_forms import (
    Form,
    Json,
    Names,
    Refused,
    check_names,
    expanded,
    invalid,
    unrecognized,
)
from services.providers.simulator.stripe_intents import shown
from services.providers.simulator.stripe_lists import expand

Handler = Callable[[web.Request], Awaitable[web.Response]]
Work = Callable[[Form], Effect]


class StripeHttp:
    """The edge of one account."""

    def __init__(
        self, account: StripeAccount, key: str, made: Callable[[Json], None] = lambda _: None
    ) -> None:
        """`made` gets each intent that a call has made or changed."""
        self.account = account
        self._key = key
        self._made = made

    def answering(self, handler: Handler) -> Handler:
        """The handler for callers who know the key, with Stripe's form of refusals."""

        async def answered(request: web.Request) -> web.Response:
            try:
                self._authenticate(request)
                return await handler(request)
            except Refused as refused:
                return answer(refused.status, refused.body)

        return answered

    def changing(self, known: Names, change: Callable[[str, Form], Effect]) -> Handler:
        """The handler of a call that changes the object in its path."""

        async def changed(request: web.Request) -> web.Response:
            wanted = request.match_info["id"]
            return await self.once(request, known, lambda form: change(wanted, form))

        return self.answering(changed)

    async def once(self, request: web.Request, known: Names, work: Work) -> web.Response:
        """Does the work the first time that the request's key comes. Raises Refused."""
        pairs = parse_qsl(await request.text(), keep_blank_values=True)
        form = dict(pairs)
        key = request.headers.get("idempotency-key", "") or secrets.token_hex(16)

        def checked() -> Effect:
            check_names(form, known)
            return work(form)

        saved = await self.account.once(key, fingerprint(request.path, pairs), checked)
        body = saved.body
        if body.get("object") == "payment_intent":
            self._made(body)
            body = shown(body)
        elif body.get("object") == "refund":
            body = refund_shown(body)
        if saved.status == 200:
            body = expand(body, expanded(form), self.account.find)
        return answer(saved.status, body, replayed=saved.replayed)

    def shown(self, body: Json, query: Form) -> web.Response:
        """The answer to a question, with the objects that it asks for whole. Raises Refused."""
        return answer(200, expand(body, expanded(query), self.account.find))

    async def unrecognized(self, request: web.Request) -> web.Response | None:
        """The answer to a call that Stripe does not have; None where it is none to Stripe."""
        if not request.path.startswith("/v1/"):
            return None

        async def refuse(request: web.Request) -> web.Response:
            raise unrecognized(request.method, request.path)

        return await self.answering(refuse)(request)

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("authorization", "")
        if not given:
            raise invalid("", "", "You did not provide an API key.", 401)
        if not hmac.compare_digest(_key(given).encode(errors="replace"), self._key.encode()):
            raise invalid("", "", "Invalid API Key provided.", 401)


def answer(status: int, body: Json, *, replayed: bool = False) -> web.Response:
    """An answer as Stripe gives it."""
    headers = {"Request-Id": f"req_{secrets.token_hex(7)}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.json_response(body, status=status, headers=headers)


def _key(authorization: str) -> str:
    """The key of a bearer, or of a user without a password."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return rest
    try:
        return base64.b64decode(rest).decode().partition(":")[0]
    except ValueError:
        return ""
