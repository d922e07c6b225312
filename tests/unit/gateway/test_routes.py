"""The table of routes: every kind of field that a contract may have, held by the script itself."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from caravel.common.v1 import error_reason_pb2, options_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)
from google.rpc import code_pb2

from gateway.config import script as our_script
from gateway.contract import Listener
from gateway.openapi import DOCUMENTS
from gateway.routes import DESCRIPTOR, TABLES, render, table
from tests.polling import until
from tests.unit.gateway.conftest import Backend, Gateway, healthz, run_envoy, start_backend

Field = FieldDescriptorProto
MESSAGE, ENUM, REPEATED = Field.TYPE_MESSAGE, Field.TYPE_ENUM, Field.LABEL_REPEATED
KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": Field.TYPE_STRING},
    "flag": {"type": Field.TYPE_BOOL},
    "raw": {"type": Field.TYPE_BYTES},
    "ratio": {"type": Field.TYPE_DOUBLE},
    "small": {"type": Field.TYPE_INT32},
    "count": {"type": Field.TYPE_UINT32},
    "big": {"type": Field.TYPE_INT64},
    "huge": {"type": Field.TYPE_UINT64},
    "color": {"type": ENUM, "type_name": ".test.Color"},
    "at": {"type": MESSAGE, "type_name": ".google.protobuf.Timestamp"},
    "within": {"type": MESSAGE, "type_name": ".google.protobuf.Duration"},
    "anything": {"type": MESSAGE, "type_name": ".google.protobuf.Value"},
    "free": {"type": MESSAGE, "type_name": ".google.protobuf.Struct"},
    "wrapped": {"type": MESSAGE, "type_name": ".google.protobuf.StringValue"},
    "inner": {"type": MESSAGE, "type_name": ".test.Request"},
    "words": {"type": Field.TYPE_STRING, "label": REPEATED},
    "inners": {"type": MESSAGE, "type_name": ".test.Request", "label": REPEATED},
    "labels": {"type": MESSAGE, "type_name": ".test.Request.LabelsEntry", "label": REPEATED},
    "one": {"type": Field.TYPE_STRING, "oneof_index": 0},
    "other": {"type": Field.TYPE_STRING, "oneof_index": 0},
    "maybe": {"type": Field.TYPE_STRING, "oneof_index": 1, "proto3_optional": True},
}


def contract(**fields: dict[str, Any]) -> bytes:
    """A contract of one call, POST /api/payments, whose request has the fields."""
    entry = DescriptorProto(name="LabelsEntry")
    for number, name in enumerate(("key", "value"), 1):
        entry.field.add(name=name, number=number, type=Field.TYPE_STRING)
    entry.options.map_entry = True
    request = DescriptorProto(name="Request", nested_type=[entry])
    request.oneof_decl.extend(OneofDescriptorProto(name=name) for name in ("choice", "_maybe"))
    for number, (name, described) in enumerate(fields.items(), 1):
        request.field.add(name=name, number=number, **described)
    method = MethodDescriptorProto(name="Call", input_type=".test.Request")
    method.options.Extensions[annotations_pb2.http].post = "/api/payments"
    method.options.Extensions[annotations_pb2.http].body = "*"
    method.options.Extensions[options_pb2.success_status] = 201
    method.options.Extensions[options_pb2.access].principal = options_pb2.Access.MERCHANT
    colors = [
        EnumValueDescriptorProto(name=name, number=at) for at, name in enumerate(("NO", "RED"))
    ]
    file = FileDescriptorProto(
        name="test.proto",
        package="test",
        message_type=[request],
        enum_type=[EnumDescriptorProto(name="Color", value=colors)],
        service=[ServiceDescriptorProto(name="Service", method=[method])],
    )
    file.options.Extensions[options_pb2.limits].body_max_bytes = 262_144
    file.options.Extensions[options_pb2.limits].message_max_bytes = 294_912
    files = [file]
    # The answers of every reason are part of each table.
    ours = (error_reason_pb2, options_pb2, code_pb2, descriptor_pb2)
    for module in (duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2, *ours):
        files.append(FileDescriptorProto())
        module.DESCRIPTOR.CopyToProto(files[-1])
    return FileDescriptorSet(file=files).SerializeToString()


@pytest.fixture(scope="module")
async def any_kind(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway whose script holds the contract with every kind."""
    folder = tmp_path_factory.mktemp("kinds")
    descriptor = folder / "kinds.binpb"
    descriptor.write_bytes(contract(**KINDS))
    ours = TABLES[Listener.PUBLIC].read_text()
    script = our_script(Listener.PUBLIC).replace(ours, render(descriptor))
    backend = Backend()
    server = await start_backend(backend)
    async with run_envoy(folder, server.port, backend, script=script) as gateway:
        await until(lambda: healthz(gateway), lambda status: status == 200)
        yield gateway
    await server.stop(0)


TAKEN = {
    "text": ['"a"', '""', '"\\ud83d\\ude00"'],
    "flag": ["true", "false"],
    "raw": ['"YWI="', '""', '"YWJj"', '"_-+/"'],
    "ratio": ["1", "-0.5", "1e300", "0"],
    "small": ["0", "-2147483648", "2147483647"],
    "count": ["0", "4294967295"],
    "big": ["9223372036854775807", '"-9223372036854775808"', "0"],
    "huge": ["18446744073709551615", '"0"'],
    "color": ['"RED"'],
    "at": ['"2026-02-28T23:59:59Z"', '"2024-02-29T00:00:00.123456789+05:30"'],
    "within": ['"1s"', '"-1.5s"', '"315576000000s"'],
    "anything": ["null", "1", '"a"', "[1, {}]", '{"a": [null]}'],
    "free": ["{}", '{"a": null, "b": {"c": [1]}}'],
    "wrapped": ['"a"'],
    "inner": ["{}", '{"inner": {"text": "a"}}'],
    "words": ["[]", '["a", "a"]'],
    "inners": ["[]", '[{}, {"text": "a"}]'],
    "labels": ["{}", '{"any name": "a", "b.c": ""}'],
    "one": ['"a"'],
    "maybe": ['""'],
}
REFUSED = {
    "text": ["1", "true", "[]", "{}", "null"],
    "flag": ['"true"', "1", "null"],
    "raw": ['"a"', '"a==="', '"%%%%"', "1"],
    "ratio": ["1e400", '"1"', '"NaN"'],
    "small": ["2147483648", "-2147483649", "1.0", "1e2", '"1"'],
    "count": ["-1", "4294967296", "1.5"],
    "big": ["9223372036854775808", '"x"', '"01"', "1.5", '"-9223372036854775809"'],
    "huge": ["18446744073709551616", "-1", '""'],
    "color": ['"NO"', '"BLUE"', '"red"', "1", '""'],
    "at": [
        *['"2026-02-29T00:00:00Z"', '"2026-13-01T00:00:00Z"', '"2026-01-01T24:00:00Z"', "1"],
        *['"2026-01-01"', '"2026-01-01T00:00:00"', '"0000-01-01T00:00:00Z"'],
        *['"2026-01-32T00:00:00Z"', '"2026-01-01T00:00:00.1234567891Z"', '"now"'],
    ],
    "within": ['"1"', "1", '"1m"', '"315576000001s"', '"s"'],
    "free": ["[]", '"a"', "null", "1"],
    "wrapped": ["1", "null", "{}"],
    "inner": ['"a"', "[]", "null", "1"],
    "words": ['"a"', "{}", "null"],
    "inners": ["{}", "null"],
    "labels": ["[]", '"a"', "null"],
    "one": ["1", "null"],
}
INSIDE = {
    '{"inner": {"nonsense": 1}}': ("inner.nonsense", "FIELD_UNKNOWN"),
    '{"inner": {"inner": {"text": 1}}}': ("inner.inner.text", "FIELD_INVALID"),
    '{"inners": [{}, {"text": "a", "text": "b"}]}': ("inners[1].text", "FIELD_DUPLICATED"),
    '{"words": ["a", 1]}': ("words[1]", "FIELD_INVALID"),
    '{"words": ["a", null]}': ("words[1]", "FIELD_INVALID"),
    '{"labels": {"a": 1}}': ("labels.a", "FIELD_INVALID"),
    '{"labels": {"a": "1", "a": "2"}}': ("labels.a", "FIELD_DUPLICATED"),
    '{"free": {"a": {"b": 1, "b": 2}}}': ("free.a.b", "FIELD_DUPLICATED"),
    '{"anything": [{"b": 1, "b": 2}]}': ("anything[0].b", "FIELD_DUPLICATED"),
    '{"one": "a", "other": "b"}': ("other", "FIELDS_CONTRADICTORY"),
    '{"inner": {"other": "a", "one": "b"}}': ("inner.one", "FIELDS_CONTRADICTORY"),
}


async def post(gateway: Gateway, body: str) -> tuple[int, Any]:
    headers = {"content-type": "application/json"}
    async with (
        aiohttp.ClientSession(gateway.rest) as http,
        http.post("/api/payments", data=body, headers=headers) as response,
    ):
        return response.status, await response.json()


def cases(texts: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, text) for name, listed in texts.items() for text in listed]


@pytest.mark.parametrize(("name", "text"), cases(TAKEN))
async def test_a_value_of_the_kind_is_taken(any_kind: Gateway, name: str, text: str) -> None:
    status, body = await post(any_kind, f'{{"{name}": {text}}}')

    assert status == 201, body


@pytest.mark.parametrize(("name", "text"), cases(REFUSED))
async def test_another_value_is_refused(any_kind: Gateway, name: str, text: str) -> None:
    status, body = await post(any_kind, f'{{"{name}": {text}}}')

    assert (status, body["details"][0]["reason"]) == (400, "FIELD_INVALID")
    assert body["details"][0]["metadata"] == {"field": name}


@pytest.mark.parametrize(("text", "wanted"), INSIDE.items())
async def test_a_fault_inside_is_named_by_its_path(
    any_kind: Gateway, text: str, wanted: tuple[str, str]
) -> None:
    status, body = await post(any_kind, text)

    info = body["details"][0]
    assert (status, info["metadata"]["field"], info["reason"]) == (400, *wanted)


@pytest.mark.parametrize(
    "described",
    [
        {"type": MESSAGE, "type_name": ".google.protobuf.Any"},
        {"type": MESSAGE, "type_name": ".google.protobuf.FieldMask"},
    ],
)
def test_a_type_that_the_script_cannot_check_is_no_part_of_a_table(
    tmp_path: Path, described: dict[str, Any]
) -> None:
    descriptor = tmp_path / "x.binpb"
    descriptor.write_bytes(contract(field=described))

    with pytest.raises(ValueError, match="cannot check"):
        render(descriptor)


@pytest.mark.parametrize("listener", Listener)
def test_every_call_of_the_document_is_in_the_table(listener: Listener) -> None:
    document = json.loads(DOCUMENTS[listener].read_text())

    routes = table(DESCRIPTOR, listener)["routes"]
    assert {(one["method"].lower(), one["path"]) for one in routes} == {
        (method, path) for path, item in document["paths"].items() for method in item
    }
