"""The table that the gateway's scripts hold every request against: which call takes which fields,
from where, of which kind, with which status it succeeds, and how each reason is answered. It is
made from the descriptor set, so that the gateway's refusals and the contract cannot differ.
`python -m gateway.routes` writes gateway/lua/contract.lua, and gateway/lua/operators/contract.lua
for the operators' listener."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodDescriptorProto

from gateway.contract import (
    RAW_BODY,
    Answer,
    Contract,
    Listener,
    body_type,
    fields_in_path,
    has_oauth_errors,
    is_decimal,
    read_contract,
    success_status,
    verb_and_path,
)

HERE = Path(__file__).resolve().parent
DESCRIPTOR = HERE / "descriptor.binpb"
TABLES: Mapping[Listener, Path] = {
    Listener.PUBLIC: HERE / "lua" / "contract.lua",
    Listener.OPERATORS: HERE / "lua" / "operators" / "contract.lua",
}

Field = FieldDescriptorProto
# Kinds that a program in Lua can distinguish; each stands for a form that a value must have.
_SCALARS: Mapping[int, str] = {
    Field.TYPE_BOOL: "bool",
    Field.TYPE_BYTES: "bytes",
    Field.TYPE_DOUBLE: "double",
    Field.TYPE_FLOAT: "double",
    Field.TYPE_INT32: "int32",
    Field.TYPE_SINT32: "int32",
    Field.TYPE_SFIXED32: "int32",
    Field.TYPE_UINT32: "uint32",
    Field.TYPE_FIXED32: "uint32",
    Field.TYPE_INT64: "int64",
    Field.TYPE_SINT64: "int64",
    Field.TYPE_SFIXED64: "int64",
    Field.TYPE_UINT64: "uint64",
    Field.TYPE_FIXED64: "uint64",
    Field.TYPE_STRING: "string",
}
_WELL_KNOWN = {
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
    "google.protobuf.Value": "value",
    "google.protobuf.Struct": "struct",
    "google.protobuf.ListValue": "values",
    "google.protobuf.BoolValue": "bool",
    "google.protobuf.BytesValue": "bytes",
    "google.protobuf.DoubleValue": "double",
    "google.protobuf.FloatValue": "double",
    "google.protobuf.Int32Value": "int32",
    "google.protobuf.UInt32Value": "uint32",
    "google.protobuf.Int64Value": "int64",
    "google.protobuf.UInt64Value": "uint64",
    "google.protobuf.StringValue": "string",
}
LINE_CHARACTERS = 90
_HEAD = (
    "-- Made from the .proto files by `python -m gateway.routes`: what each REST call takes, and\n"
)
_HEAD += "-- how each reason is answered, by the name of the case; the usual case has no name.\n"

Table = dict[str, Any]


def render(descriptor: Path, listener: Listener = Listener.PUBLIC) -> str:
    """The table as a Lua module, the same for the same descriptor set.

    Raises ValueError for a binding or a type that the script cannot check.
    """
    return f"{_HEAD}return {_lua(table(descriptor, listener))}\n"


def table(descriptor: Path, listener: Listener = Listener.PUBLIC) -> Table:
    """Every bound RPC of the listener as a route, the messages and enums that their fields refer
    to, and the answers to each reason."""
    reader = _Reader(read_contract(descriptor).served_by(listener))
    routes = [reader.route(method, rule) for _, method, rule in reader.contract.bindings()]
    limits = reader.contract.limits
    return {
        "limits": {
            "body_max_bytes": limits.body_max_bytes,
            "message_max_bytes": limits.message_max_bytes,
        },
        "routes": routes,
        "messages": reader.messages,
        "enums": reader.enums,
        "reasons": {
            reason: {case: _answer(answer) for case, answer in answers.items()}
            for reason, answers in reader.contract.answers().items()
        },
    }


def _answer(answer: Answer) -> Table:
    stated = {"code": answer.grpc_code, "status": answer.http_status}
    seconds = answer.retry_after_seconds
    return stated | ({"retry_after_seconds": seconds} if seconds else {})


def _raw(method: MethodDescriptorProto) -> Table:
    route: Table = {"raw": True}
    if media_type := body_type(method):
        route["body_type"] = media_type
    return route | ({"oauth_errors": True} if has_oauth_errors(method) else {})


class _Reader:
    """Makes routes; the messages and enums that they need gather beside them."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.messages: Table = {}
        self.enums: Table = {}

    def route(self, method: MethodDescriptorProto, rule: Any) -> Table:
        """One binding: its method, path and status, and the fields of its query and its body."""
        request = method.input_type[1:]
        verb, path = verb_and_path(rule)
        if verb == "CUSTOM" or re.search(r"\*|=", path):
            raise ValueError(f"{path}: the gateway's script knows plain variables only")
        in_path = fields_in_path(rule)
        fields = {
            field.name: field
            for field in self.contract.messages[request].field
            if field.name not in in_path
        }
        route: Table = {"method": verb, "path": path, "query": {}}
        if (status := success_status(method)) != 200:
            route["status"] = status
        if rule.body == "*":
            return {**route, "body": self._members(request, fields.values())}
        if rule.body:
            type_name = fields.pop(rule.body).type_name[1:]
            raw = type_name == RAW_BODY
            route |= _raw(method) if raw else {"body": self._message(type_name)}
        query = dict(self._query(request, fields.values()))
        return {**route, "query": query}

    def _query(self, request: str, fields: Any) -> Iterator[tuple[str, Table]]:
        for name, field in self._members(request, fields).items():
            if field["kind"] in ("map", "message", "value", "struct", "values"):
                raise ValueError(f"{request}.{name}: a query cannot hold it")
            # An empty filter would show everything; an empty text is taken where it says something.
            comment = self.contract.comments.get(f"{request}.{name}", "")
            yield name, field | ({"may_be_empty": True} if "Empty for" in comment else {})

    def _message(self, name: str) -> Table:
        if name not in self.messages:
            self.messages[name] = {}
            self.messages[name] |= self._members(name, self.contract.messages[name].field)
        members: Table = self.messages[name]
        return members

    def _members(self, message: str, fields: Any) -> Table:
        oneofs = self.contract.messages[message].oneof_decl
        members = {}
        for field in fields:
            member = self._field(field)
            if field.HasField("oneof_index") and not field.proto3_optional:
                member["oneof"] = oneofs[field.oneof_index].name
            members[field.name] = member
        return members

    def _field(self, field: Field) -> Table:
        entry = self.contract.messages.get(field.type_name[1:])
        if entry is not None and entry.options.map_entry:
            return {"kind": "map", "of": self._single(entry.field[1])}
        single = self._single(field)
        repeated = field.label == Field.LABEL_REPEATED
        return {"kind": "list", "of": single} if repeated else single

    def _single(self, field: Field) -> Table:
        name = field.type_name[1:]
        if field.type == Field.TYPE_ENUM:
            # Zero is what an absent field means, and never sent.
            values = (value.name for value in self.contract.enums[name].value if value.number)
            self.enums[name] = dict.fromkeys(values, True)
            return {"kind": "enum", "of": name}
        if field.type == Field.TYPE_MESSAGE:
            if name in _WELL_KNOWN:
                return {"kind": _WELL_KNOWN[name]}
            if name.startswith("google."):
                raise ValueError(f"{field.name}: the gateway's script cannot check a {name}")
            self._message(name)
            return {"kind": "message", "of": name}
        if is_decimal(field):
            return {"kind": "decimal"}
        return {"kind": _SCALARS[field.type]}


def _lua(value: Any, indent: int = 0) -> str:
    """A value as Lua text, with keys in order; a small table stands on one line."""
    if value is True:
        return "true"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        parts = [f'["{key}"] = {_lua(item, indent + 1)}' for key, item in value.items()]
    else:
        parts = [_lua(item, indent + 1) for item in value]
    line = ", ".join(parts)
    if not parts or ("\n" not in line and len(line) < LINE_CHARACTERS):
        return "{ " + line + " }" if parts else "{}"
    inner, outer = "  " * (indent + 1), "  " * indent
    return "{\n" + "".join(f"{inner}{part},\n" for part in parts) + outer + "}"


if __name__ == "__main__":
    for each, path in TABLES.items():
        path.write_text(render(DESCRIPTOR, each))
