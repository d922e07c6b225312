"""The descriptor set, made easy to ask: types and comments by full name, and the catalogue of
reasons, read out of the comments of ErrorReason."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caravel.common.v1 import options_pb2

# Imported for its effect: without it the http rules of the methods would stay unread bytes.
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from google.rpc import code_pb2

# Field numbers of descriptor.proto, of which the paths of comments are made.
_PACKAGE, _MESSAGE, _ENUM, _SERVICE = 2, 4, 5, 6
_FIELD, _NESTED, _NESTED_ENUM, _VALUE, _METHOD = 2, 3, 4, 2, 2

# A body of this type is taken as raw bytes.
RAW_BODY = "google.api.HttpBody"

_REASON = re.compile(
    r"(?P<meaning>.+) (?P<code>[A-Z_]+), (?P<status>\d{3})\. Example: (?P<example>\{.+\})"
)


@dataclass(frozen=True)
class Reason:
    """One value of ErrorReason: what it means, and how an answer carries it."""

    name: str
    meaning: str
    grpc_code: int
    http_status: int
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Contract:
    """The content of the .proto files. Names are full names without a leading dot; the name of
    an enum's value stands below its enum, and the comment of a file under its path."""

    messages: Mapping[str, DescriptorProto]
    enums: Mapping[str, EnumDescriptorProto]
    services: Mapping[str, ServiceDescriptorProto]
    comments: Mapping[str, str]

    def reasons(self) -> dict[str, Reason]:
        """The catalogue of refusals. Raises ValueError where a comment is not of its form."""
        name = "caravel.common.v1.ErrorReason"
        return {
            value.name: _reason(value.name, self.comments.get(f"{name}.{value.name}", ""))
            for value in self.enums[name].value
            if value.number
        }


def read_contract(descriptor: Path) -> Contract:
    """Reads a descriptor set that has source info."""
    messages: dict[str, DescriptorProto] = {}
    enums: dict[str, EnumDescriptorProto] = {}
    services: dict[str, ServiceDescriptorProto] = {}
    comments: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(descriptor.read_bytes()).file:
        texts = {
            tuple(location.path): reflow(location.leading_comments)
            for location in file.source_code_info.location
            if location.leading_comments
        }
        for path, name, element in _elements(file):
            if path in texts:
                comments[name] = texts[path]
            if isinstance(element, DescriptorProto):
                messages[name] = element
            elif isinstance(element, EnumDescriptorProto):
                enums[name] = element
            elif isinstance(element, ServiceDescriptorProto):
                services[name] = element
    return Contract(messages, enums, services, comments)


def reflow(comment: str) -> str:
    """A comment without its line breaks; an empty line stays a paragraph's end."""
    paragraphs = re.split(r"\n\s*\n", comment.strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def http_rules(method: MethodDescriptorProto) -> list[Any]:
    """The method's bindings to REST (google.api.HttpRule), none for an internal method."""
    if not method.options.HasExtension(annotations_pb2.http):
        return []
    rule = method.options.Extensions[annotations_pb2.http]
    return [rule, *rule.additional_bindings]


def fields_in_path(rule: Any) -> list[str]:
    """The names of the fields that the binding's path holds, in its order."""
    return re.findall(r"\{(\w+)", getattr(rule, rule.WhichOneof("pattern")))


def is_required(field: FieldDescriptorProto) -> bool:
    """Whether the contract marks the field REQUIRED."""
    behaviors = field.options.Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.FieldBehavior.REQUIRED in behaviors


def is_decimal(field: FieldDescriptorProto) -> bool:
    """Whether the field is decimal text, which over REST may be a JSON number too."""
    return bool(field.options.Extensions[options_pb2.decimal])


def _reason(name: str, comment: str) -> Reason:
    match = _REASON.fullmatch(comment)
    if match is None:
        raise ValueError(f"{name}: its comment must end in 'GRPC_CODE, 400. Example: {{…}}'")
    return Reason(
        name=name,
        meaning=match["meaning"],
        grpc_code=code_pb2.Code.Value(match["code"]),
        http_status=int(match["status"]),
        metadata=json.loads(match["example"])["metadata"],
    )


_Element = tuple[tuple[int, ...], str, object]


def _elements(file: FileDescriptorProto) -> Iterator[_Element]:
    yield (_PACKAGE,), file.name, file
    for at, message in enumerate(file.message_type):
        yield from _in_message((_MESSAGE, at), file.package, message)
    for at, enum in enumerate(file.enum_type):
        yield from _in_enum((_ENUM, at), file.package, enum)
    for at, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        yield (_SERVICE, at), name, service
        for index, method in enumerate(service.method):
            yield (_SERVICE, at, _METHOD, index), f"{name}.{method.name}", method


def _in_message(path: tuple[int, ...], scope: str, message: DescriptorProto) -> Iterator[_Element]:
    name = f"{scope}.{message.name}"
    yield path, name, message
    for at, field in enumerate(message.field):
        yield (*path, _FIELD, at), f"{name}.{field.name}", field
    for at, nested in enumerate(message.nested_type):
        yield from _in_message((*path, _NESTED, at), name, nested)
    for at, enum in enumerate(message.enum_type):
        yield from _in_enum((*path, _NESTED_ENUM, at), name, enum)


def _in_enum(path: tuple[int, ...], scope: str, enum: EnumDescriptorProto) -> Iterator[_Element]:
    name = f"{scope}.{enum.name}"
    yield path, name, enum
    for at, value in enumerate(enum.value):
        yield (*path, _VALUE, at), f"{name}.{value.name}", value
