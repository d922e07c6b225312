"""The edge that the simulator's JSON providers share: a caller is known by a bearer key, and a
refusal becomes its answer. Each provider has its own form of refusals."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Refusal(Exception):
    """A request that a provider does not take, with the answer's status and body."""

    def __init__(self, status: int, message: str, body: dict[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


def answering(handler: Handler, *, key: str, unknown: Refusal) -> Handler:
    """The handler for callers who know the key; everybody else is answered as unknown."""

    async def answered(request: web.Request) -> web.Response:
        if not _knows(request, key):
            return _answer(unknown)
        try:
            return await handler(request)
        except Refusal as refusal:
            return _answer(refusal)

    return answered


def refusing(
    key: str, refusal: Callable[[web.Request], Refusal]
) -> Callable[[web.Request], Awaitable[web.Response | None]]:
    """The answer to a call that the provider does not have, for callers who know its key."""

    async def answered(request: web.Request) -> web.Response | None:
        return _answer(refusal(request)) if _knows(request, key) else None

    return answered


def _knows(request: web.Request, key: str) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return hmac.compare_digest(given.encode(errors="replace"), key.encode())


def _answer(refusal: Refusal) -> web.Response:
    return web.json_response(refusal.body, status=refusal.status)
