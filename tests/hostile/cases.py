"""Hostile requests over HTTP/1.1, made by chance from a seed: header tokens, request lines,
framing, queries, bodies. The routes and their fields come from the served OpenAPI document, and the
odd words from odd.py."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.hostile import odd


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request as it goes over the connection."""

    kind: str
    method: str
    request: bytes
    idempotency_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation of the OpenAPI document, and a body that it takes; none where it takes none."""

    method: str
    path: str
    body: Mapping[str, Any] | None


def routes_of(document: Mapping[str, Any]) -> list[Route]:
    """Every route of the document."""
    return [
        Route(method=method.upper(), path=path, body=_body_of(document, operation))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _body_of(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    made: dict[str, Any] = _example(document, content["schema"], "")
    return made


def _example(document: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> Any:
    if name == "recipient":
        # Of its kinds a request has one.
        return {"wallet": {"holder_name": "Asha Rao", "wallet_id": "wallet-0001"}}
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        return _example(document, document["components"]["schemas"][target], name)
    if "enum" in schema:
        return schema["enum"][-1]
    kind = schema.get("type")
    if kind == "object":
        # Of those that exclude each other the first one.
        others = {field for one in schema.get("allOf", []) for field in _all_but_first(one)}
        properties = schema.get("properties", {})
        return {
            field: _example(document, below, field)
            for field, below in properties.items()
            if field not in others
        }
    if kind == "array":
        return [_example(document, schema["items"], name)]
    known = {
        "user_id": "0b8f6f0e-8a53-4f0c-9d7b-2d7c1f6a4e11",
        "amount_usd": "100.00",
        "destination_currency": "INR",
        "url": "https://merchant.example/hook",
    }
    return {"integer": 1, "boolean": True}.get(str(kind), known.get(name, "x"))


def _all_but_first(choice: Mapping[str, Any]) -> list[str]:
    return [name for one in choice.get("oneOf", [])[1:] for name in one.get("required", [])]


class Attack:
    """Makes cases from one source of chance."""

    def __init__(self, rng: random.Random, routes: list[Route]) -> None:
        self._rng = rng
        self._routes = routes
        self._with_body = [route for route in routes if route.body is not None]
        self._kinds: Mapping[str, Callable[[], Case]] = {
            "header tokens": self._header_tokens,
            "known headers": self._known_headers,
            "request lines": self._request_lines,
            "framing": self._framing,
            "queries": self._queries,
            "bodies": self._bodies,
            "bytes": self._bytes,
        }

    def cases(self, count: int) -> Iterator[Case]:
        """So many cases, each kind in turn."""
        makers = list(self._kinds.values())
        for index in range(count):
            yield makers[index % len(makers)]()

    def _header_tokens(self) -> Case:
        name = "".join(self._rng.choices(odd.TOKEN, k=self._rng.choice((1, 2, 3, 8, 40, 300))))
        size = self._rng.choice((0, 1, 5, 200, 9_000, 20_000))
        value = bytes(self._rng.choices((*range(0x20, 0x7F), 9, *range(0x80, 0x100)), k=size))
        extra = [(name.encode(), value)] * self._rng.choice((1, 1, 1, 2, 60))
        return self._case("header tokens", self._any_route(), extra)

    def _known_headers(self) -> Case:
        extra = []
        for name in self._rng.choices(odd.HEADERS, k=self._rng.choice((1, 2, 4))):
            value = self._rng.choice(odd.HEADER_VALUES).encode("utf-8", "surrogatepass")
            extra.append((name.encode(), value.replace(b"\0", b"")))
        return self._case("known headers", self._any_route(), extra)

    def _request_lines(self) -> Case:
        route = self._any_route()
        method = self._rng.choice((route.method, *odd.METHODS))
        path = self._path(route)
        texts = (*odd.PATHS, path.upper(), path.replace(":", "%3A"), path.replace("a", "%61"))
        line = f"{method} {self._rng.choice(texts).format(path)} {self._rng.choice(odd.VERSIONS)}"
        return self._case("request lines", route, line=line, method=method)

    def _framing(self) -> Case:
        route = self._rng.choice(self._with_body)
        extra, sent = self._rng.choice(odd.framings(json.dumps(route.body).encode()))
        return self._case("framing", route, extra, raw_body=sent, states_length=False)

    def _queries(self) -> Case:
        route = self._any_route()
        pairs = []
        for _ in range(self._rng.choice((1, 1, 2, 3, 200))):
            value = self._rng.choice(odd.TEXTS).encode("utf-8", "surrogatepass")
            quoted = "".join(f"%{byte:02X}" for byte in value)
            pairs.append(f"{self._rng.choice(odd.QUERY_NAMES)}={quoted}")
        query = self._rng.choice("&&&&;").join(pairs)
        line = f"{route.method} {self._path(route)}?{query} HTTP/1.1"
        return self._case("queries", route, line=line)

    def _bodies(self) -> Case:
        route = self._rng.choice(self._with_body)
        text = self._mutated(json.dumps(route.body))
        raw = text.encode("utf-8", "surrogatepass")
        return self._case("bodies", route, raw_body=raw)

    def _bytes(self) -> Case:
        """A body whose bytes are turned over here and there; also a provider's event."""
        route = self._rng.choice([route for route in self._routes if route.method == "POST"])
        event = {
            "id": f"evt_{self._uuid().hex}",
            "type": "payout.succeeded",
            "data": {"reference": f"pay_{self._uuid().hex[:26]}-payout-1", "amount": "1.00"},
        }
        raw = bytearray(json.dumps(event if route.body is None else route.body).encode())
        for _ in range(self._rng.choice((0, 1, 1, 2, 5))):
            at = self._rng.randrange(len(raw) + 1)
            length = self._rng.choice((0, 0, 1, 8))
            raw[at : at + length] = self._rng.randbytes(self._rng.choice((0, 1, 1, 3)))
        return self._case("bytes", route, raw_body=bytes(raw))

    def _mutated(self, text: str) -> str:
        """JSON text with one thing wrong."""
        value = self._rng.choice(odd.JSON_VALUES)
        members = json.loads(text)
        if members and self._rng.random() < 0.5:
            field = self._rng.choice(list(members))
            pairs = (
                f"{json.dumps(name)}: {value if name == field else json.dumps(below)}"
                for name, below in members.items()
            )
            return "{" + ", ".join(pairs) + "}"
        return self._rng.choice(
            (
                text[:-1] + f', "{self._rng.choice(odd.FIELDS)}": {value}}}',
                text[:-1] + "," + text[1:],
                text[:-1] + ",}",
                text.replace('"', "'"),
                text.replace('"', "", 2),
                text + text,
                text[: self._rng.randrange(len(text))],
                "[" * self._rng.choice((10, 5_000)) + text,
                text.replace(": {", ': {"unknown": 1, ', 1),
                "{" + ",".join(f'"k{number}": {number}' for number in range(5_000)) + "}",
                text.replace("{", "{\ufeff", 1),
            )
        )

    def _case(
        self,
        kind: str,
        route: Route,
        extra: list[tuple[bytes, bytes]] | None = None,
        *,
        line: str = "",
        method: str = "",
        raw_body: bytes | None = None,
        states_length: bool = True,
    ) -> Case:
        body = raw_body
        if body is None:
            body = b"" if route.body is None else json.dumps(route.body).encode()
        key = self._uuid().hex
        headers = [(b"host", b"127.0.0.1"), (b"idempotency-key", key.encode())]
        names = {name.lower() for name, _ in extra or ()}
        if body and b"content-type" not in names:
            headers.append((b"content-type", b"application/json"))
        if states_length and body and not names & {b"content-length", b"transfer-encoding"}:
            headers.append((b"content-length", str(len(body)).encode()))
        first = line or f"{route.method} {self._path(route)} HTTP/1.1"
        head = b"".join(b"%s: %s\r\n" % pair for pair in [*headers, *(extra or ())])
        return Case(
            kind=kind,
            method=method or route.method,
            request=first.encode("utf-8", "surrogatepass") + b"\r\n" + head + b"\r\n" + body,
            # A second key beside ours would leave open under which one something was stored.
            idempotency_key="" if b"idempotency-key" in names else key,
        )

    def _path(self, route: Route) -> str:
        path = route.path
        while "{" in path:
            before, _, rest = path.partition("{")
            path = before + self._rng.choice(odd.IDS) + rest.partition("}")[2]
        return path

    def _any_route(self) -> Route:
        return self._rng.choice(self._routes)

    def _uuid(self) -> UUID:
        return UUID(int=self._rng.getrandbits(128), version=4)
