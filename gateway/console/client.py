"""payments, as the console calls it: each call by its name in the contract, with the credential of
the operator who has signed in, the operator's own address, and the id of the request. Messages
become records here: mappings with the contract's own names."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from caravel.payments.v1 import (
    admin_pb2,
    inspection_pb2,
    merchants_pb2,
    operator_keys_pb2,
    overview_pb2,
    pauses_pb2,
    proposals_pb2,
    recovery_pb2,
    replays_pb2,
    search_pb2,
    verbs_pb2,
)
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from services.shared.contract import Access, access_by_method
from services.shared.errors import Invalid
from services.shared.grpc_client import call_metadata, open_channel, refusals_as_errors
from services.shared.identity import Identity

# Shorter than the gateway waits for the console.
CALL_SECONDS = 10.0
_SERVICES = [
    service
    for file in (
        admin_pb2,
        inspection_pb2,
        merchants_pb2,
        operator_keys_pb2,
        overview_pb2,
        pauses_pb2,
        proposals_pb2,
        recovery_pb2,
        replays_pb2,
        search_pb2,
        verbs_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
]

# A message as the pages read it: every field by its name. An instant is a datetime, a value of an
# enum its name, and a message that is not there None.
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The operator for whom a call is made."""

    credential: str = field(repr=False)
    address: str


class Payments(Protocol):
    """The operators' calls of payments."""

    async def call(
        self,
        acting: Acting,
        name: str,
        request: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
    ) -> Record:
        """Makes the call of this name, and returns its answer. Raises a DomainError where it is
        refused."""
        ...


@dataclass(frozen=True)
class Call:
    """A call of the contract."""

    path: str
    request: type[Message]
    response: type[Message]
    only_reads: bool
    access: Access


def _calls() -> Mapping[str, Call]:
    found = {}
    for service in _SERVICES:
        access = access_by_method(service.full_name)
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            found[method.name] = Call(
                path=path,
                request=GetMessageClass(method.input_type),
                response=GetMessageClass(method.output_type),
                only_reads=rule.WhichOneof("pattern") == "get",
                access=access[path],
            )
    return found


CALLS = _calls()


def may(operator: Record | None, name: str) -> bool:
    """Whether the operator's scopes allow the call; payments decides it again."""
    granted = frozenset(operator["scopes"] if operator else ())
    return CALLS[name].access.needed_of(granted) <= granted


class GrpcPayments:
    """The port Payments over gRPC."""

    def __init__(self, reading: Any, changing: Any) -> None:
        self._reading = reading
        self._changing = changing

    async def call(
        self,
        acting: Acting,
        name: str,
        request: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
    ) -> Record:
        """See Payments.call."""
        called = CALLS[name]
        channel = self._reading if called.only_reads else self._changing
        make: Any = channel.unary_unary(
            called.path,
            request_serializer=called.request.SerializeToString,
            response_deserializer=called.response.FromString,
        )
        message = message_of(called.request, request or {})
        metadata = _metadata(acting, idempotency_key)
        async with refusals_as_errors("payments"):
            return record_of(await make(message, metadata=metadata, timeout=CALL_SECONDS))


@asynccontextmanager
async def opened_payments(target: str, identity: Identity | None) -> AsyncIterator[GrpcPayments]:
    """payments at host:port, also where its database is older than what has happened: then it is
    not healthy, and people need to see. In the clear without an identity."""
    opened = partial(
        open_channel, target, "caravel.payments.v1.AdminService", identity, follows_health=False
    )
    async with (
        opened(retry_unavailable=True) as reading,
        opened(retry_unavailable=False) as changing,
    ):
        yield GrpcPayments(reading, changing)


def record_of(message: Message) -> Record:
    """The message as a record."""
    return {one.name: _value(message, one) for one in message.DESCRIPTOR.fields}


def message_of(kind: type[Message], record: Mapping[str, Any]) -> Message:
    """The record as a message. Raises Invalid where a value is none of its field."""
    try:
        return json_format.ParseDict(_plain(record), kind())
    except json_format.ParseError:
        raise Invalid("A field has a value that it cannot have.") from None


def _value(message: Message, one: Any) -> Any:
    value = getattr(message, one.name)
    if one.has_presence and not message.HasField(one.name):
        return None
    if not one.is_repeated:
        return _single(one, value)
    if one.message_type and one.message_type.GetOptions().map_entry:
        return dict(value)
    return [_single(one, item) for item in value]


def _single(one: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToDatetime(UTC)
    if one.message_type:
        return record_of(value)
    if one.enum_type:
        named = one.enum_type.values_by_number.get(value)
        return named.name if named else str(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _metadata(acting: Acting, idempotency_key: str) -> Sequence[tuple[str, str]]:
    key = [("idempotency-key", idempotency_key)] if idempotency_key else []
    return (
        *call_metadata(),
        ("authorization", f"Bearer {acting.credential}"),
        ("x-client-address", acting.address),
        *key,
    )
