"""Requests that must be refused, made from the contract: every route with every kind of fault."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.contract import Listener
from gateway.routes import DESCRIPTOR, table

TABLES = {listener: table(DESCRIPTOR, listener) for listener in Listener}
# The parts of both tables; each route has the name of its listener.
TABLE = {
    part: {name: one for parts in TABLES.values() for name, one in parts[part].items()}
    for part in ("messages", "enums", "reasons")
}
ROUTES: list[dict[str, Any]] = [
    {**route, "listener": listener}
    for listener, parts in TABLES.items()
    for route in parts["routes"]
]
VALUES: Mapping[str, Any] = {
    "bool": True,
    "int32": 7,
    "int64": 7,
    "timestamp": "2026-11-23T12:00:00Z",
}
# Of these the gateway knows the form, and the service the content.
TEXTS = ("string", "decimal")
OTHER_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")

# Read as JSON by some, and no JSON.
LENIENT = {
    "single quotes": b"{'a': 1}",
    "no quotes": b'{a: "b"}',
    "trailing comma": b'{"a": 1,}',
    "two commas": b'{"a": 1,,"b": 2}',
    "no comma": b'{"a": 1 "b": 2}',
    "no colon": b'{"a" 1}',
    "comment": b'{/* c */"a": 1}',
    "line comment": b'{"a": 1} // c',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "leading zero": b'{"a": 01}',
    "plus": b'{"a": +1}',
    "no whole part": b'{"a": .5}',
    "no fraction": b'{"a": 1.}',
    "no exponent": b'{"a": 1e}',
    "hexadecimal": b'{"a": 0x1F}',
    "half a literal": b'{"a": tru}',
    "capital literal": b'{"a": True}',
    "long literal": b'{"a": nullx}',
    "trailing text": b"{} x",
    "second object": b"{}{}",
    "trailing brace": b"{}}",
    "unfinished": b'{"a": 1',
    "unfinished text": b'{"a": "b',
    "byte order mark": b"\xef\xbb\xbf{}",
    "invalid UTF-8": b'{"a": "\xff"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "beyond Unicode": b'{"a": "\xf4\x90\x80\x80"}',
    "cut UTF-8": b'{"a": "\xe2\x82"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "high surrogate": rb'{"a": "\ud800"}',
    "low surrogate": rb'{"a": "\udc00"}',
    "surrogates turned": rb'{"a": "\udc00\ud800"}',
    "unknown escape": rb'{"a": "\x41"}',
    "short escape": rb'{"a": "\u12"}',
    "line break in text": b'{"a": "b\nc"}',
    "tab in text": b'{"a": "b\tc"}',
    "NUL in text": b'{"a": "b\x00c"}',
    "other blank": b'{\x0b"a": 1}',
    "no-break space": '{\u00a0"a": 1}'.encode(),
    "array": b"[]",
    "text": b'"a"',
    "number": b"1",
    "null": b"null",
    "blanks": b" \n",
    "nested deeply": b'{"a": ' * 40 + b"1" + b"}" * 40,
    "arrays without end": b'{"a": ' + b"[" * 5000,
    "too many parts": b'{"a": [' + b"1," * 9000 + b"1]}",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A request with one fault, and how it is to be refused."""

    name: str
    method: str
    path: str
    reason: str
    listener: Listener
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    at: str | None = None

    @property
    def status(self) -> int:
        """The status that the contract has for the reason."""
        status: int = TABLE["reasons"][self.reason][""]["status"]
        return status

    def __str__(self) -> str:
        return f"{self.method} {self.path[:60]} {self.name}"


def path_of(route: dict[str, Any]) -> str:
    """A path that leads to the route."""
    return re.sub(r"\{\w+\}", "id_1", route["path"])


def camel(name: str) -> str:
    """The name as JSON of protobuf has it elsewhere."""
    return re.sub(r"_(.)", lambda letter: letter[1].upper(), name)


def value_of(described: dict[str, Any]) -> Any:
    """A value that the field may have."""
    kind = described["kind"]
    if kind == "enum":
        return next(iter(TABLE["enums"][described["of"]]))
    if kind == "message":
        members = TABLE["messages"][described["of"]]
        return {name: value_of(members[name]) for name in _together(members)}
    if kind == "list":
        return [value_of(described["of"])]
    return VALUES.get(kind, "1")


def bodies_of(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Bodies that have all fields between them, one for each of those of which one may be there."""
    together = list(_together(fields))
    yield {name: value_of(fields[name]) for name in together}
    for name in sorted(set(fields) - set(together)):
        group = fields[name]["oneof"]
        others = [one for one in together if fields[one].get("oneof") != group]
        yield {one: value_of(fields[one]) for one in (*others, name)}


def query_text_of(described: dict[str, Any]) -> str:
    """The same as a query has it; of a list one item."""
    single = item_of(described)
    return "true" if single["kind"] == "bool" else str(value_of(single))


def item_of(described: dict[str, Any]) -> dict[str, Any]:
    """The field itself, or the items of a list."""
    single: dict[str, Any] = described["of"] if described["kind"] == "list" else described
    return single


def _together(members: dict[str, Any]) -> Iterator[str]:
    """The names of fields that may be there at once: of each group the first."""
    seen = set()
    for name, described in members.items():
        group = described.get("oneof", name)
        if group not in seen:
            seen.add(group)
            yield name


def faults() -> Iterator[Fault]:
    """All of them."""
    for route in ROUTES:
        place: dict[str, Any] = {
            "method": route["method"],
            "path": path_of(route),
            "listener": route["listener"],
        }
        yield from _method_faults(route)
        yield from _query_faults(route, place)
        if "body" in route:
            yield from _body_faults(route["body"], place)
            yield from _type_faults(place)
            for name in re.findall(r"\{(\w+)\}", route["path"]):
                body = json.dumps({name: "id_1"}).encode()
                at = {"reason": "FIELD_MISPLACED", "at": name}
                yield Fault(name=f"{name} in the body", body=body, **at, **place)
            for name, body in LENIENT.items():
                yield Fault(name=name, body=body, reason="JSON_INVALID", **place)
        elif "raw" not in route:
            yield Fault(name="a body", body=b"{}", reason="REQUEST_MALFORMED", **place)


def _method_faults(route: dict[str, Any]) -> Iterator[Fault]:
    path, listener = path_of(route), route["listener"]
    known = {one["method"] for one in ROUTES if one["path"] == route["path"]}
    for method in OTHER_METHODS:
        if method not in known:
            reason = "METHOD_NOT_ALLOWED"
            at: dict[str, Any] = {"method": method, "path": path, "listener": listener}
            yield Fault(name="method", reason=reason, **at)
    if route["method"] != "GET":
        for headers in (
            {"origin": "https://elsewhere.example"},
            {"origin": "null"},
            {"origin": "http://localhost.example"},
            {"sec-fetch-site": "cross-site"},
        ):
            at = {"method": route["method"], "path": path, "listener": listener}
            reason = "ORIGIN_FORBIDDEN"
            yield Fault(name=f"a page with {headers}", reason=reason, headers=headers, **at)


def _query_faults(route: dict[str, Any], place: dict[str, Any]) -> Iterator[Fault]:
    def fault(query: str, reason: str, at: str | None) -> Fault:
        where = {**place, "path": f"{place['path']}?{query}"}
        return Fault(name="query", reason=reason, at=at, **where)

    in_path = re.findall(r"\{(\w+)\}", route["path"])
    for name in [*in_path, *route.get("body", ())]:
        yield fault(f"{name}=x", "FIELD_MISPLACED", name)
        yield fault(f"{name}.x=x", "FIELD_UNKNOWN", f"{name}.x")
        if camel(name) != name:
            yield fault(f"{camel(name)}=x", "FIELD_UNKNOWN", camel(name))
            encoded = name.replace("_", "%5F")
            yield fault(f"{encoded}=x", "FIELD_UNKNOWN", encoded)
    for query in ("nonsense=1", "nonsense", "$where=1", "page_sise=1", "page_size[]=1", "%00=1"):
        yield fault(query, "FIELD_UNKNOWN", None)
    for query in ("=1", "&", "=", "?a=1"):
        yield fault(query, "FIELD_UNKNOWN", None)
    for name, described in route["query"].items():
        for query, reason, at in _parameter_faults(name, described):
            yield fault(query, reason, at)


def _parameter_faults(name: str, described: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    text = f"{name}={query_text_of(described)}"
    if described["kind"] != "list":
        yield f"{text}&{text}", "FIELD_DUPLICATED", name
    yield f"{text}&=", "FIELD_UNKNOWN", ""
    for wrong in ("%zz", "%ff", "%00", "%0a", "a;b=c"):
        yield f"{name}={wrong}", "FIELD_INVALID", name
    yield name, "FIELD_INVALID", name
    if not described.get("may_be_empty"):
        yield f"{name}=", "FIELD_INVALID", name
    if item_of(described)["kind"] not in TEXTS:
        for wrong in ("x", "1.5", "99999999999", "0x1", "01", "%201", "2026-02-30T00:00:00Z"):
            yield f"{name}={wrong}", "FIELD_INVALID", name
    for other in {camel(name), name.replace("_", "%5F")} - {name}:
        yield text.replace(name, other), "FIELD_UNKNOWN", other


def _rivals(name: str, members: dict[str, Any]) -> list[str]:
    """The fields that exclude this one."""
    group = members[name].get("oneof")
    return [
        one
        for one, described in members.items()
        if one != name and group and described.get("oneof") == group
    ]


def _body_faults(
    members: dict[str, Any], place: dict[str, Any], inside: tuple[str, ...] = ()
) -> Iterator[Fault]:
    def fault(name: str, text: str, reason: str, at: str) -> Fault:
        for outer in reversed(inside):
            text = f'{{"{outer}": {text}}}'
        where = ".".join((*inside, at))
        return Fault(name=name, body=text.encode(), reason=reason, at=where, **place)

    for unknown in ("nonsense", "@type", "", "__proto__", "x" * 90, "amount_usd\\u0000"):
        plain = json.loads(f'"{unknown}"')
        yield fault("unknown name", f'{{"{unknown}": 1}}', "FIELD_UNKNOWN", plain)
    for name, described in members.items():
        value = json.dumps(value_of(described))
        yield fault("misspelt", f'{{"{name[:-1]}": {value}}}', "FIELD_UNKNOWN", name[:-1])
        yield fault("capitals", f'{{"{name.upper()}": {value}}}', "FIELD_UNKNOWN", name.upper())
        if camel(name) != name:
            yield fault("camel", f'{{"{camel(name)}": {value}}}', "FIELD_UNKNOWN", camel(name))
        twice = f'{{"{name}": {value}, "{name}": {value}}}'
        yield fault("twice", twice, "FIELD_DUPLICATED", name)
        escaped = f'{{"{name}": {value}, "\\u{ord(name[0]):04x}{name[1:]}": {value}}}'
        yield fault("twice, escaped", escaped, "FIELD_DUPLICATED", name)
        for other in _rivals(name, members):
            rival = json.dumps(value_of(members[other]))
            both = f'{{"{other}": {rival}, "{name}": {value}}}'
            yield fault(f"beside {other}", both, "FIELDS_CONTRADICTORY", name)
        for wrong in _wrong_for(described["kind"]):
            yield fault(f"{wrong[:40]}", f'{{"{name}": {wrong}}}', "FIELD_INVALID", name)
        for wrong in _wrong_items_for(described):
            items = f'{{"{name}": [{wrong}]}}'
            yield fault(f"item {wrong[:40]}", items, "FIELD_INVALID", f"{name}[0]")
        if described["kind"] == "message":
            yield from _body_faults(
                TABLE["messages"][described["of"]], place, inside=(*inside, name)
            )


def _wrong_items_for(described: dict[str, Any]) -> list[str]:
    return _wrong_for(described["of"]["kind"]) if described["kind"] == "list" else []


def _wrong_for(kind: str) -> list[str]:
    if kind == "list":
        return ["null", "{}", '{"value": "1"}', "true", "1", "1.5", '"nonsense"', '""']
    wrong = ["null", "[]", "[1]"]
    if kind != "message":
        wrong += ["{}", '{"value": "1"}']
    if kind != "bool":
        wrong += ["true"]
    if kind == "decimal":
        wrong += ["9" * 1000, "1e" + "9" * 50, "0." + "1" * 60]
    else:
        wrong += ["1.5"] if kind in ("int32", "int64") else ["1", "1.5"]
    if kind not in TEXTS:
        wrong += ['"nonsense"', '""']
    return wrong


def _type_faults(place: dict[str, Any]) -> Iterator[Fault]:
    unsupported: dict[str, Any] = {"reason": "CONTENT_TYPE_UNSUPPORTED", **place}
    for content_type in (
        *("text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"),
        *("multipart/form-data; boundary=x", "application/jsonx", "application/json-patch+json"),
        *("application/json; charset=utf-16", "application/grpc-web+json", "*/*", "json"),
        *("application/grpc", "application/grpc+json", "application/grpc-web", "text/json"),
    ):
        headers = {"content-type": content_type}
        yield Fault(name=content_type, body=b"{}", headers=headers, **unsupported)
    for encoding in ("gzip", "br", "deflate", "x"):
        headers = {"content-type": "application/json", "content-encoding": encoding}
        yield Fault(name=encoding, body=b"{}", headers=headers, **unsupported)
