"""Calls of the contract over REST, by a real gateway, and their answers byte for byte."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from gateway.config import DESCRIPTOR
from gateway.contract import fields_in_path, read_contract, verb_and_path
from tests.wire.payments.calls import new_key

# Headers that differ from answer to answer, whatever is asked.
OTHER_EACH_TIME = {"date", "x-request-id", "ratelimit"}


@dataclass(frozen=True)
class Route:
    """One call as it is bound to REST."""

    name: str
    verb: str
    path: str
    in_path: tuple[str, ...]
    has_body: bool
    principal: str


@dataclass(frozen=True)
class RestAnswer:
    """An answer; the ids of the request, its own and the one that was asked for, are taken out."""

    status: int
    headers: Mapping[str, str]
    body: str
    reason: str


def routes() -> list[Route]:
    """Every route of the contract that takes a credential."""
    known = read_contract(DESCRIPTOR)
    return [
        Route(
            name=method.name,
            verb=verb_and_path(rule)[0],
            path=verb_and_path(rule)[1],
            in_path=tuple(fields_in_path(rule)),
            has_body=bool(rule.body),
            principal=known.access(method).principal,
        )
        for _, method, rule in known.bindings()
        if known.access(method).principal in ("MERCHANT", "OPERATOR")
    ]


async def answer_of(
    http: aiohttp.ClientSession,
    route: Route,
    credential: str,
    fields: Mapping[str, Any],
    named: str = "",
) -> RestAnswer:
    """The gateway's answer to a request with these fields; a path takes its own out of them."""
    path = route.path
    for name in route.in_path:
        path = path.replace(f"{{{name}}}", str(fields.get(name, "nothing")))
    rest = {name: value for name, value in fields.items() if name not in route.in_path}
    headers = dict(new_key()) if route.verb == "POST" else {}
    if credential:
        headers["authorization"] = f"Bearer {credential}"
    sent = {"json": rest} if route.has_body else {"params": rest}
    async with http.request(route.verb, path, headers=headers, **sent) as response:
        text = await response.text()
        body = (await response.json()) if response.status >= 400 else {}
        own = response.headers.get("x-request-id", "")
        kept = {
            name.lower(): value
            for name, value in response.headers.items()
            if name.lower() not in OTHER_EACH_TIME
        }
    text = text.replace(own, "<request>") if own else text
    text = text.replace(named, "<id>") if named else text
    reason = body["details"][0]["reason"] if body else ""
    # The id that was asked for is in the text, so that its length is no fact about the answer.
    kept.pop("content-length", None)
    return RestAnswer(response.status, kept, text, reason)
