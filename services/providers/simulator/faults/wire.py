"""The declaration of a provider's API, so that faults need know nothing of it: its calls, where
a request names the operation, which fields of an answer hold money, and the form of its errors."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web

from services.providers.simulator.faults.modes import Mode, Step

Json = dict[str, Any]
Row = TypeVar("Row")
# No operation has this name: a request for it gets the provider's answer about an unknown
# operation.
NOBODY = "nobody-knows-this-one"


@dataclass(frozen=True)
class At:
    """A place in a request: "header", "path", "query" or "body", and the name there."""

    place: str
    name: str
    # Where the value is only a part of what stands there, the group that it is.
    pattern: str = r"(.*)"

    async def read(self, request: web.Request) -> str:
        """The value at the path, or None."""
        match = re.fullmatch(self.pattern, await self._whole(request), re.DOTALL)
        return match[1] if match else ""

    def hidden(self, request: web.Request, value: str) -> web.Request:
        """The request, asking for nobody instead of the value."""
        if self.place == "path":
            request.match_info[self.name] = NOBODY
            return request
        if self.place == "header":
            headers = request.headers.copy()
            headers[self.name] = NOBODY
            return request.clone(headers=headers)
        whole = request.query.get(self.name, "")
        return request.clone(
            rel_url=request.rel_url.update_query({self.name: whole.replace(value, NOBODY)})
        )

    async def _whole(self, request: web.Request) -> str:
        if self.place == "body":
            return str((await _fields(request)).get(self.name) or "")
        found: Mapping[str, str] = {
            "header": request.headers,
            "path": request.match_info,
            "query": request.query,
        }[self.place]
        return found.get(self.name, "")


# Of a request that can name no operation.
NO_KEY = At("query", "")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a provider's API."""

    method: str
    # As it is registered, for example "/v1/payouts/{reference}".
    path: str
    step: Step
    # Where our key, or the provider's own id, is.
    key: At
    # The step of a request that names no operation, where that is another one.
    without_key: Step | None = None
    # Where the merchant's words and the amount in minor units are, when they are sent.
    words: At | None = None
    amount_minor: At | None = None
    # Each refusal that the provider may give here, status and body; a mode names one by its number.
    refusals: Sequence[tuple[int, Json]] = ()


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One provider's API."""

    provider: str
    calls: tuple[Call, ...]
    # The names of fields that hold money, wherever in an answer or an event they are.
    amount_fields: frozenset[str]
    currency_field: str
    status_field: str
    # The same in an event, where it has another name there.
    event_status_field: str = ""
    # The body of an error with this HTTP status and message.
    error: Callable[[int, str], Json]
    # The answer to a key that was used with other parameters.
    mismatch: tuple[int, Json]
    # The answer to a payout for which the balance does not suffice.
    no_balance: tuple[int, Json] | None = None
    # The header of an answer that is an earlier one again.
    replay_headers: Mapping[str, str] = field(default_factory=dict)
    # Drops all that the provider remembers of an operation, by its key.
    forget: Callable[[str], object]
    # Drops only the answer that is kept under a key.
    forget_key: Callable[[str], object] | None = None
    # Turns a settled operation, by its key, into its opposite and sends the event.
    turn: Callable[[str], Awaitable[None]] | None = None
    # The answer to a call that the provider does not have; None where it is none to it.
    unrecognized: Callable[[web.Request], Awaitable[web.Response | None]] | None = None
    # The modes that cannot happen here, each with the reason.
    exempt: Mapping[Mode, str] = field(default_factory=dict)

    @property
    def steps(self) -> frozenset[Step]:
        """The steps that the provider has at all."""
        called = {step for call in self.calls for step in (call.step, call.without_key) if step}
        return frozenset(called | {Step.SETTLE, Step.EVENT})


async def _fields(request: web.Request) -> Mapping[str, Any]:
    text = (await request.read()).decode(errors="replace")
    if request.content_type != "application/json":
        return dict(parse_qsl(text))
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def row(rows: Sequence[Row], number: int | None) -> Row | None:
    """The row with this number, from 1; None where there is none, or no number."""
    return rows[number - 1] if number and 0 < number <= len(rows) else None
