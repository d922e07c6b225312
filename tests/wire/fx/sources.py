"""The real sources before stand-ins for their servers: the answers of each, and the faults that any
of them may have."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

# A Wednesday, so that no weekend is among the hours that are counted.
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GOOD = {"INR": "84.5123", "PHP": "58.75"}
KEY = "k-0123456789abcdef"
DESCRIPTION = """
address = "URL/latest?from={base}"
base_path = ["base"]
expected = [{ path = ["ok"], value = true }]
key = { header = "x-api-key" }
rate = { path = ["prices", { code = "{quote}" }, "price"] }
stamp = { path = ["at"], form = "iso" }
"""
Rates = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One source: its name, its variables, and how its server answers."""

    name: str
    variables: Mapping[str, str]
    path: str
    # The JSON of rates, each as it stands there, of a time and a base currency.
    answer: Callable[[Rates, datetime, str], str]
    # The JSON of an error that comes with the status 200.
    error: str
    # Members of the answer that have the time, with a value of nonsense in place of it.
    stamp: str


def _frankfurter(rates: Rates, at: datetime, base: str) -> str:
    rows = [
        f'{{"date":"{at:%Y-%m-%d}","base":"{base}","quote":"{code}","rate":{rate}}}'
        for code, rate in rates.items()
    ]
    return f"[{','.join(rows)}]"


def _table(rates: Rates, prefix: str = "") -> str:
    return ",".join(f'"{prefix}{code}":{rate}' for code, rate in rates.items())


def _openexchangerates(rates: Rates, at: datetime, base: str) -> str:
    stamp = int(at.timestamp())
    return (
        f'{{"disclaimer":"x","license":"y","timestamp":{stamp},"base":"{base}",'
        f'"rates":{{{_table(rates)}}}}}'
    )


def _currencylayer(rates: Rates, at: datetime, base: str) -> str:
    stamp = int(at.timestamp())
    return (
        f'{{"success":true,"terms":"x","privacy":"y","timestamp":{stamp},"source":"{base}",'
        f'"quotes":{{{_table(rates, base)}}}}}'
    )


def _described(rates: Rates, at: datetime, base: str) -> str:
    prices = ",".join(f'{{"code":"{code}","price":{rate}}}' for code, rate in rates.items())
    return f'{{"ok":true,"base":"{base}","at":"{at.isoformat()}","prices":[{prices}]}}'


SOURCES = (
    Facts(
        name="frankfurter",
        variables={"FRANKFURTER_URL": "URL", "FRANKFURTER_PROVIDERS": "ECB"},
        path="/v2/rates",
        answer=_frankfurter,
        error='{"status":422,"message":"invalid currency: INR"}',
        stamp='"date":"2026-11-2x"',
    ),
    Facts(
        name="openexchangerates",
        variables={"OPENEXCHANGERATES_URL": "URL", "OPENEXCHANGERATES_APP_ID": KEY},
        path="/api/latest.json",
        answer=_openexchangerates,
        error='{"error":true,"status":401,"message":"invalid_app_id","description":"x"}',
        stamp='"timestamp":"soon"',
    ),
    Facts(
        name="currencylayer",
        variables={"CURRENCYLAYER_URL": "URL", "CURRENCYLAYER_ACCESS_KEY": KEY},
        path="/live",
        answer=_currencylayer,
        error='{"success":false,"error":{"code":104,"info":"Your monthly limit is reached."}}',
        stamp='"timestamp":true',
    ),
    Facts(
        name="json_acme",
        variables={"JSON_SOURCES_DIR": "FOLDER", "JSON_ACME_KEY": KEY},
        path="/latest",
        answer=_described,
        error='{"ok":false,"reason":"quota"}',
        stamp='"at":"yesterday"',
    ),
)


@dataclass
class Server:
    """Answers as a test says, and remembers what it was asked."""

    facts: Facts
    behave: Callable[["Server", web.Request], Awaitable[web.StreamResponse]]
    requests: list[web.Request] = field(default_factory=list)

    def app(self) -> web.Application:
        """The source's path, and another one that redirects lead to."""
        app = web.Application()
        app.router.add_get(self.facts.path, self._answer)
        app.router.add_get("/elsewhere", self._elsewhere)
        return app

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        return await good(self, request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.behave(self, request)

    def body(self, rates: Rates = GOOD, at: datetime = NOW, base: str = "USD") -> str:
        """The JSON of these rates, as this source writes it."""
        return self.facts.answer(rates, at, base)


Behaviour = Callable[[Server, web.Request], Awaitable[web.StreamResponse]]


def _json(text: str | bytes, status: int = 200, **headers: str) -> web.Response:
    body = text if isinstance(text, bytes) else text.encode()
    return web.Response(
        body=body, status=status, content_type="application/json", headers=headers or None
    )


async def good(server: Server, _: web.Request) -> web.StreamResponse:
    """As it should."""
    return _json(server.body())


def answering(make: Callable[[Server], str | bytes], status: int = 200) -> Behaviour:
    """JSON of this text."""

    async def behave(server: Server, _: web.Request) -> web.StreamResponse:
        return _json(make(server), status)

    return behave


def with_rates(text: str) -> Behaviour:
    """A whole answer in which each rate is written so."""
    return answering(lambda server: server.body(dict.fromkeys(GOOD, text)))


def dated(ahead: timedelta) -> Behaviour:
    """A whole answer of another time."""
    return answering(lambda server: server.body(at=NOW + ahead))


async def _drips(server: Server, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(request)
    for byte in server.body():
        # Each byte comes well within any limit of a single read.
        await response.write(byte.encode())
        due = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, due.set)
        await due.wait()
    return response


async def _hangs(_: Server, request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError(request)


async def _html(_: Server, request: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>Sign in</html>", content_type="text/html")


async def _wrong_type(server: Server, _: web.Request) -> web.StreamResponse:
    return web.Response(text=server.body(), content_type="text/plain")


async def _redirects(_: Server, request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"location": "/elsewhere"})


async def _resets(_: Server, request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _breaks_off(server: Server, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"content-type": "application/json", "content-length": "100000"}
    )
    await response.prepare(request)
    await response.write(server.body().encode())
    assert request.transport is not None
    request.transport.close()
    return response


async def _huge(server: Server, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(request)
    for _ in range(40):
        await response.write(b" " * 16384)
    await response.write(server.body().encode())
    return response


async def _zipped(server: Server, _: web.Request) -> web.StreamResponse:
    body = gzip.compress(server.body().encode())
    return _json(body, **{"content-encoding": "gzip"})


def _doubled(server: Server) -> str:
    text = server.body()
    # The second one of a member, or of a whole row, counts in most readers.
    if text.startswith("["):
        return f"{text[:-1]},{text[1:-1].replace('84.5123', '8.45')}]"
    return (
        text.replace('"INR":84.5123', '"INR":84.5123,"INR":8.45')
        .replace('"USDINR":84.5123', '"USDINR":84.5123,"USDINR":8.45')
        .replace('{"code":"INR","price":84.5123}', '{"code":"INR","price":84.5123,"price":8.45}')
    )


def _failed(server: Server) -> str:
    text = server.body()
    if text.startswith("["):
        return server.facts.error
    members = '"error":true,' + text[1:].replace(":true", ":false")
    return f"{{{members}"


def _undated(server: Server) -> str:
    member = server.facts.stamp.partition(":")[0].strip('"')
    value = json.loads(server.body())
    for one in value if isinstance(value, list) else [value]:
        one[member] = json.loads(f"{{{server.facts.stamp}}}")[member]
    return json.dumps(value)


def _without_time(server: Server) -> str:
    member = server.facts.stamp.partition(":")[0].strip('"')
    value = json.loads(server.body())
    for one in value if isinstance(value, list) else [value]:
        del one[member]
    return json.dumps(value)


def _echoing(server: Server) -> str:
    text, echo = server.body(), f'"echo":"{KEY}"'
    return f"[{{{echo}}},{text[1:]}" if text.startswith("[") else f"{{{echo},{text[1:]}"


# In none of these is there a rate that could be used.
FAULTS: Mapping[str, Behaviour] = {
    "wrong base": answering(lambda server: server.body(base="EUR")),
    "a base that contradicts its pairs": answering(
        lambda server: server.body().replace('"USD"', '"EUR"')
    ),
    "an error beside rates": answering(_failed),
    "no base": answering(lambda server: server.body(base="")),
    "error in a 200": answering(lambda server: server.facts.error),
    "no pairs": answering(lambda server: server.body({"EUR": "0.92"})),
    "empty object": answering(lambda _: "{}"),
    "empty list": answering(lambda _: "[]"),
    "null": answering(lambda _: "null"),
    "number": answering(lambda _: "84.5"),
    "rates are null": with_rates("null"),
    "rates are true": with_rates("true"),
    "rates are lists": with_rates("[84.5]"),
    "rates are words": with_rates('"about 84"'),
    "zero": with_rates("0"),
    "negative": with_rates("-84.5"),
    "tiny": with_rates("1e-30"),
    "immense": with_rates("1e30"),
    "beyond any number": with_rates("1e999999999"),
    "ten thousand digits": with_rates("9" * 10_000),
    "NaN": with_rates("NaN"),
    "Infinity": with_rates("Infinity"),
    "inverted": with_rates("0.01183"),
    "a hundredfold": with_rates("8451.23"),
    "future": dated(timedelta(days=2)),
    "far future": dated(timedelta(days=9000)),
    "nonsense for a time": answering(_undated),
    "no time": answering(_without_time),
    "no JSON": answering(lambda server: server.body()[:-1]),
    "empty": answering(lambda _: ""),
    "not UTF-8": answering(lambda server: server.body().encode() + b"\xff"),
    "nested without end": answering(lambda _: "[" * 100_000),
    "two of one member": answering(_doubled),
    "HTML": _html,
    "HTML said to be JSON": answering(lambda _: "<html></html>"),
    "JSON said to be text": _wrong_type,
    "a huge body": _huge,
    "compressed": _zipped,
    "a slow drip": _drips,
    "no answer": _hangs,
    "a redirect": _redirects,
    "a reset": _resets,
    "an end in the middle": _breaks_off,
    **{
        str(status): answering(lambda server: server.body(), status)
        for status in (201, 400, 401, 403, 404, 429, 500, 503)
    },
}
# Of the sources that have a key.
ECHO: Behaviour = answering(_echoing)


def environment(facts: Facts, url: str, folder: Path) -> dict[str, str]:
    """The variables of a sandbox in whose folder the corridors are."""
    described = folder / "described"
    described.mkdir(exist_ok=True)
    (described / "acme.toml").write_text(DESCRIPTION.replace("URL", url))
    own: dict[str, Any] = {"CORRIDORS_DIR": str(folder), "DEPLOYMENT": "sandbox"}
    return own | {
        name: text.replace("URL", url).replace("FOLDER", str(described))
        for name, text in facts.variables.items()
    }
