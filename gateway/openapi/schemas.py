"""Messages and enums as JSON schemas, in the form Envoy's transcoder prints and reads them."""

import re
from collections.abc import Collection
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gateway.contract import Contract, exactly_one, is_decimal, is_required

Schema = dict[str, Any]
Field = FieldDescriptorProto

_SCALARS: dict[int, Schema] = {
    Field.TYPE_BOOL: {"type": "boolean"},
    Field.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    Field.TYPE_DOUBLE: {"type": "number", "format": "double"},
    Field.TYPE_INT32: {"type": "integer", "format": "int32"},
    # The transcoder prints 64 bits as text, so that no browser rounds them.
    Field.TYPE_INT64: {"type": "string", "format": "int64"},
    Field.TYPE_STRING: {"type": "string"},
    Field.TYPE_UINT32: {"type": "integer", "format": "uint32"},
    Field.TYPE_UINT64: {"type": "string", "format": "uint64"},
}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d+)?s$"},
}
_EXAMPLE = re.compile(r'for example (?:"([^"]+)"|([\w.:-]*\w))')
_EXAMPLE_UUID = "0199d3a1-5c1e-7f7a-9b52-3f1d2c4b5a69"


class Schemas:
    """The schemas that the document needs; asking for one puts it among the components.

    Where a field's own comment has no example, that of a field with the same name serves.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._examples = _examples_by_name(contract)
        self.components: dict[str, Schema] = {}

    def reference(
        self, type_name: str, *, printed: bool = False, without: Collection[str] = ()
    ) -> Schema:
        """A reference to a message or enum. printed says that it is part of an answer, where every
        field that is no message is always there. A request is without the fields that stand in its
        path, and closed: a name that is not in it is refused."""
        if type_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[type_name])
        name = _short(type_name)
        if name not in self.components:
            self.components[name] = {}
            self.components[name] = (
                self._enum(type_name)
                if type_name in self._contract.enums
                else self._message(type_name, printed=printed, without=without)
            )
        return {"$ref": f"#/components/schemas/{name}"}

    def of_field(self, message: str, field: Field, *, printed: bool = False) -> Schema:
        """The schema of one field, with its comment and example."""
        schema = self._repeated(field, printed=printed)
        if comment := self._comment(f"{message}.{field.name}"):
            schema["description"] = comment
            if "a UUID" in comment:
                schema["format"] = "uuid"
        example = self.example(message, field)
        if example is not None and schema.get("type") == "string":
            schema["examples"] = [example]
        return schema

    def example(self, message: str, field: Field) -> str | None:
        """The example of the field, where the contract has one."""
        comment = self._contract.comments.get(f"{message}.{field.name}", "")
        if "a UUID" in comment:
            return _EXAMPLE_UUID
        return _example_in(comment) or self._examples.get(field.name)

    def required_example(self, message: str, *, without: Collection[str]) -> dict[str, Any]:
        """The smallest body of a request that can be sent as it stands."""
        chosen = exactly_one(self._contract.messages[message])[:1]
        return {
            field.name: self.example(message, field)
            for field in self._contract.messages[message].field
            if (is_required(field) or field.name in chosen) and field.name not in without
        }

    def _repeated(self, field: Field, *, printed: bool) -> Schema:
        entry = self._contract.messages.get(field.type_name[1:])
        if entry is not None and entry.options.map_entry:
            value = self._type(entry.field[1], printed=printed)
            return {"type": "object", "additionalProperties": value}
        schema = self._type(field, printed=printed)
        repeated = field.label == Field.LABEL_REPEATED
        return {"type": "array", "items": schema} if repeated else schema

    def _type(self, field: Field, *, printed: bool) -> Schema:
        if field.type in (Field.TYPE_MESSAGE, Field.TYPE_ENUM):
            schema = self.reference(field.type_name[1:], printed=printed)
            # Closed here and not there, for an answer may have the same message.
            if not printed and "$ref" in schema and field.type == Field.TYPE_MESSAGE:
                schema["unevaluatedProperties"] = False
            return schema
        return dict(_SCALARS[field.type])

    def _message(self, type_name: str, *, printed: bool, without: Collection[str]) -> Schema:
        message = self._contract.messages[type_name]
        properties = {}
        fields = [field for field in message.field if field.name not in without]
        for field in fields:
            member = self.of_field(type_name, field, printed=printed)
            if is_decimal(field) and not printed:
                member["type"] = ["string", "number"]
            properties[field.name] = member
        required = [
            field.name
            for field in fields
            if (_always_printed(field) if printed else is_required(field))
        ]
        schema: Schema = {"type": "object", "properties": properties}
        if type_name.endswith("Request"):
            schema["additionalProperties"] = False
        if required:
            schema["required"] = required
        choices = _choices(fields)
        if either := exactly_one(message):
            choices.append({"oneOf": [{"required": [name]} for name in either]})
        if choices:
            schema["allOf"] = choices
        if comment := self._comment(type_name):
            schema["description"] = comment
        return schema

    def _comment(self, name: str) -> str:
        comment = self._contract.comments.get(name, "")
        # Google's comments are long and for readers of .proto files; their first sentence is ours.
        return re.split(r"(?<=\.)\s", comment)[0] if name.startswith("google.") else comment

    def _enum(self, type_name: str) -> Schema:
        # Zero is what an absent field means, and never sent.
        names = [value.name for value in self._contract.enums[type_name].value if value.number]
        comments = self._contract.comments
        lines = [f"- `{name}`: {comments.get(f'{type_name}.{name}', '')}" for name in names]
        description = "\n".join([comments.get(type_name, ""), "", *lines])
        return {"type": "string", "enum": names, "description": description}


def _choices(fields: Collection[Field]) -> list[Schema]:
    """For each oneof of a message, that at most one of its members is there; exactly one where the
    message has nothing else."""
    members: dict[int, list[str]] = {}
    for field in fields:
        if field.HasField("oneof_index") and not field.proto3_optional:
            members.setdefault(field.oneof_index, []).append(field.name)
    choices: list[Schema] = []
    for names in members.values():
        one_of: list[Schema] = [{"required": [name]} for name in names]
        if len(names) < len(fields):
            one_of.append({"not": {"anyOf": list(one_of)}})
        choices.append({"oneOf": one_of})
    return choices


def _always_printed(field: Field) -> bool:
    return field.label == Field.LABEL_REPEATED or not (
        field.type == Field.TYPE_MESSAGE or field.HasField("oneof_index")
    )


def _examples_by_name(contract: Contract) -> dict[str, str]:
    examples: dict[str, str] = {}
    for type_name, message in contract.messages.items():
        for field in message.field:
            example = _example_in(contract.comments.get(f"{type_name}.{field.name}", ""))
            # A name of one word, as "name" or "code", means too much for this.
            if example and "_" in field.name:
                examples.setdefault(field.name, example)
    return examples


def _example_in(comment: str) -> str | None:
    match = _EXAMPLE.search(comment)
    return (match[1] or match[2]) if match else None


def _short(type_name: str) -> str:
    """The name without its package, whose parts alone are in lower case."""
    parts = type_name.split(".")
    return ".".join(part for part in parts if not part[0].islower())
