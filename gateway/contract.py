"""The descriptor set, made easy to ask: types and comments by full name, each call's binding to
REST and its access, and the catalogue of reasons. The gateway's programs read the contract here."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from caravel.common.v1 import options_pb2

# Imported for its effect: without it the http rules of the methods would stay unread bytes.
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    MethodOptions,
    ServiceDescriptorProto,
)

# Field numbers of descriptor.proto, of which the paths of comments are made.
_PACKAGE, _MESSAGE, _ENUM, _SERVICE = 2, 4, 5, 6
_FIELD, _NESTED, _NESTED_ENUM, _VALUE, _METHOD = 2, 3, 4, 2, 2

# A body of this type is taken as raw bytes.
RAW_BODY = "google.api.HttpBody"

_COMMON = "caravel.common.v1"
_REASON = re.compile(r"(?P<meaning>.+) Example: (?P<example>\{.+\})")


class Listener(StrEnum):
    """The callers of a listener; each has a port for REST and one for native gRPC."""

    PUBLIC = "public"
    OPERATORS = "operators"


# The principals whose calls a listener leads to. Calls between services are on none.
SERVED: Mapping[Listener, frozenset[str]] = {
    Listener.PUBLIC: frozenset({"MERCHANT", "PROVIDER_EVENT", "ANYONE"}),
    Listener.OPERATORS: frozenset({"OPERATOR"}),
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a refusal reaches its caller: its gRPC code, its HTTP status, and after how many seconds
    the request may be repeated; 0 where waiting changes nothing."""

    grpc_code: int
    http_status: int
    retry_after_seconds: int


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One value of ErrorReason: its meaning, an example, and its answers by the name of the case;
    the usual case has no name."""

    name: str
    meaning: str
    metadata: Mapping[str, str]
    answers: Mapping[str, Answer]
    # Whether any call that needs a credential may be refused with it.
    of_credentials: bool

    @property
    def usual(self) -> Answer:
        """The answer in all cases but those that have a name."""
        return self.answers[""]


@dataclass(frozen=True, kw_only=True)
class Access:
    """Which kind of principal may make a call, and the names of the scopes that it needs, or of the
    others that do as well."""

    principal: str
    scopes: Sequence[str]
    or_scopes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest body over REST and the largest message over gRPC, in bytes, and the most that the
    headers of a request may hold, in KiB."""

    body_max_bytes: int
    message_max_bytes: int
    headers_max_kib: int


@dataclass(frozen=True)
class Contract:
    """The content of the .proto files. Names are full names without a leading dot; the name of
    an enum's value stands below its enum, and the comment of a file under its path."""

    messages: Mapping[str, DescriptorProto]
    enums: Mapping[str, EnumDescriptorProto]
    services: Mapping[str, ServiceDescriptorProto]
    comments: Mapping[str, str]
    limits: Limits

    def reasons(self) -> dict[str, Reason]:
        """The catalogue of refusals. Raises ValueError where a comment is not of its form."""
        name = f"{_COMMON}.ErrorReason"
        return {
            value.name: _reason(value, self.comments.get(f"{name}.{value.name}", ""))
            for value in self.enums[name].value
            if value.number
        }

    def answers(self) -> dict[str, Mapping[str, Answer]]:
        """How each reason is answered, by the name of the case."""
        return {
            value.name: _answers(value)
            for value in self.enums[f"{_COMMON}.ErrorReason"].value
            if value.number
        }

    def scopes(self, principal: str) -> dict[str, str]:
        """The meanings of the scopes that this kind of principal may have, by their names."""
        name = f"{_COMMON}.Scope"
        return {
            str(value.options.Extensions[options_pb2.scope_name]): self.comments[
                f"{name}.{value.name}"
            ]
            for value in self.enums[name].value
            if options_pb2.Access.Principal.Name(
                value.options.Extensions[options_pb2.scope_principal]
            )
            == principal
        }

    def access(self, method: MethodDescriptorProto) -> Access:
        """Which principal may make the call."""
        stated = method.options.Extensions[options_pb2.access]
        scopes = {value.number: value for value in self.enums[f"{_COMMON}.Scope"].value}

        def names(numbers: Iterable[int]) -> list[str]:
            options = (scopes[number].options for number in numbers)
            return [str(one.Extensions[options_pb2.scope_name]) for one in options]

        return Access(
            principal=options_pb2.Access.Principal.Name(stated.principal),
            scopes=names(stated.scopes),
            or_scopes=names(stated.or_scopes),
        )

    def served_by(self, listener: Listener) -> "Contract":
        """The same without the calls to which the listener does not lead."""
        services = {}
        for name, block in self.services.items():
            served = [one for one in block.method if self.access(one).principal in SERVED[listener]]
            if served:
                services[name] = ServiceDescriptorProto(name=block.name, method=served)
        return replace(self, services=services)

    def webhooks(self) -> dict[str, str]:
        """Full names of the messages that merchants' endpoints are sent, by the webhook's name."""
        return {
            message.options.Extensions[options_pb2.webhook]: name
            for name, message in self.messages.items()
            if message.options.HasExtension(options_pb2.webhook)
        }

    def bindings(self) -> Iterator[tuple[str, MethodDescriptorProto, Any]]:
        """Every binding of a call to REST: its service's full name, its method, its rule."""
        for service, block in self.services.items():
            for method in block.method:
                for rule in http_rules(method):
                    yield service, method, rule


def read_contract(descriptor: Path) -> Contract:
    """Reads a descriptor set that has source info."""
    messages: dict[str, DescriptorProto] = {}
    enums: dict[str, EnumDescriptorProto] = {}
    services: dict[str, ServiceDescriptorProto] = {}
    comments: dict[str, str] = {}
    limits = options_pb2.Limits()
    for file in FileDescriptorSet.FromString(descriptor.read_bytes()).file:
        # One file has them: that of the public API.
        limits.MergeFrom(file.options.Extensions[options_pb2.limits])
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
    largest = Limits(
        body_max_bytes=limits.body_max_bytes,
        message_max_bytes=limits.message_max_bytes,
        headers_max_kib=limits.headers_max_kib,
    )
    return Contract(messages, enums, services, comments, largest)


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


def verb_and_path(rule: Any) -> tuple[str, str]:
    """The binding's HTTP method, in capitals, and its path."""
    verb = rule.WhichOneof("pattern")
    return verb.upper(), getattr(rule, verb)


def success_status(method: MethodDescriptorProto) -> int:
    """HTTP status of the call's success."""
    return method.options.Extensions[options_pb2.success_status] or 200


def is_repeatable(method: MethodDescriptorProto) -> bool:
    """Whether the call may be made twice: it reads or deletes, has an idempotency key, or is
    stated to be idempotent."""
    options = method.options
    rules = http_rules(method)
    verbs = {verb_and_path(rule)[0] for rule in rules}
    stated = options.idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
    has_key = options.Extensions[options_pb2.idempotency_key]
    return stated or has_key or (bool(verbs) and verbs <= {"GET", "DELETE"})


def body_type(method: MethodDescriptorProto) -> str:
    """The media type of the call's raw body; empty where it may be any."""
    return str(method.options.Extensions[options_pb2.body_type])


def has_oauth_errors(method: MethodDescriptorProto) -> bool:
    """Whether the call's errors have the members of RFC 6749 too."""
    return bool(method.options.Extensions[options_pb2.oauth_errors])


def read_headers(method: MethodDescriptorProto) -> list[str]:
    """The headers that the call reads, by name; credentials are not among them."""
    options = method.options.Extensions
    key = ["idempotency-key"] if options[options_pb2.idempotency_key] else []
    return [*key, *options[options_pb2.headers]]


def fields_in_path(rule: Any) -> list[str]:
    """The names of the fields that the binding's path holds, in its order."""
    return re.findall(r"\{(\w+)", verb_and_path(rule)[1])


def is_required(field: FieldDescriptorProto) -> bool:
    """Whether the contract marks the field REQUIRED."""
    behaviors = field.options.Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.FieldBehavior.REQUIRED in behaviors


def is_decimal(field: FieldDescriptorProto) -> bool:
    """Whether the field is decimal text, which over REST may be a JSON number too."""
    return bool(field.options.Extensions[options_pb2.decimal])


def exactly_one(message: DescriptorProto) -> tuple[str, ...]:
    """The fields of a request of which it has exactly one; the first one is for an example."""
    return tuple(message.options.Extensions[options_pb2.exactly_one])


def _reason(value: EnumValueDescriptorProto, comment: str) -> Reason:
    match = _REASON.fullmatch(comment)
    if match is None:
        raise ValueError(f"{value.name}: its comment must end in 'Example: {{…}}'")
    return Reason(
        name=value.name,
        meaning=match["meaning"],
        metadata=json.loads(match["example"])["metadata"],
        answers=_answers(value),
        of_credentials=value.options.Extensions[options_pb2.of_credentials],
    )


def _answers(value: EnumValueDescriptorProto) -> Mapping[str, Answer]:
    usual = value.options.Extensions[options_pb2.refusal]
    return {
        stated.name: Answer(
            grpc_code=stated.grpc_code,
            http_status=stated.http_status,
            retry_after_seconds=stated.retry_after_seconds,
        )
        for stated in (usual, *usual.others)
    }


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
