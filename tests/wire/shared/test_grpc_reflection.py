"""gRPC's reflection, in both versions, as generic clients use it."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2

from tests.wire.shared.scripted import NAME, Scripted, serving

Question = reflection_pb2.ServerReflectionRequest
OPTIONS = "caravel/common/v1/options.proto"
both_versions = pytest.mark.parametrize("version", ["v1", "v1alpha"])


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    async with serving(Scripted()) as target, grpc.aio.insecure_channel(target) as opened:
        yield opened


async def answer(channel: grpc.aio.Channel, version: str, question: Any) -> Any:
    ask = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=Question.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    [one] = [one async for one in ask(iter([question]), timeout=10)]
    return one


def files_of(answered: Any) -> list[str]:
    texts = answered.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(text).name for text in texts]


@both_versions
async def test_all_services_are_listed_with_both_versions(
    channel: grpc.aio.Channel, version: str
) -> None:
    listed = await answer(channel, version, Question(list_services=""))

    assert [one.name for one in listed.list_services_response.service] == [
        NAME,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]


@both_versions
@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        (NAME, "caravel/providers/v1/providers.proto"),
        (f"{NAME}.Execute", "caravel/providers/v1/providers.proto"),
        ("caravel.providers.v1.Operation", "caravel/providers/v1/providers.proto"),
        ("caravel.providers.v1.Operation.kind", "caravel/providers/v1/providers.proto"),
        ("caravel.common.v1.Money", "caravel/common/v1/money.proto"),
        ("caravel.common.v1.access", "caravel/common/v1/options.proto"),
        ("caravel.common.v1.Scope", "caravel/common/v1/options.proto"),
        ("caravel.common.v1.ErrorReason", "caravel/common/v1/error_reason.proto"),
        ("caravel.common.v1.ErrorReason.OVERLOADED", "caravel/common/v1/error_reason.proto"),
        ("grpc.health.v1.Health.Watch", "health/v1/health.proto"),
        ("grpc.reflection.v1.ServerReflection.ServerReflectionInfo", "reflection.proto"),
        ("grpc.reflection.v1alpha.ServerReflectionRequest", "reflection.proto"),
    ],
)
async def test_a_symbol_leads_to_its_file_and_those_that_it_needs(
    channel: grpc.aio.Channel, version: str, symbol: str, file: str
) -> None:
    first, *needed = files_of(
        await answer(channel, version, Question(file_containing_symbol=symbol))
    )

    assert first.endswith(file)
    assert len({first, *needed}) == 1 + len(needed)


@both_versions
@pytest.mark.parametrize(
    "question",
    [
        Question(file_containing_symbol=f"{NAME}.Nothing"),
        Question(file_containing_symbol="nobody"),
        Question(file_containing_symbol=""),
        Question(file_by_filename="nobody.proto"),
        # Another service's contract, which this process has loaded.
        Question(file_by_filename="caravel/fees/v1/fees.proto"),
        Question(file_containing_symbol="caravel.fees.v1.FeeService"),
        Question(all_extension_numbers_of_type="nobody"),
        Question(),
    ],
)
async def test_contract_that_is_not_served_is_not_found(
    channel: grpc.aio.Channel, version: str, question: Any
) -> None:
    answered = await answer(channel, version, question)

    assert answered.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answered.original_request == question


@both_versions
async def test_extensions_are_found_by_what_they_extend(
    channel: grpc.aio.Channel, version: str
) -> None:
    extended = "google.protobuf.MethodOptions"

    numbers = await answer(channel, version, Question(all_extension_numbers_of_type=extended))

    assert numbers.all_extension_numbers_response.base_type_name == extended
    assert numbers.all_extension_numbers_response.extension_number
    for number in numbers.all_extension_numbers_response.extension_number:
        question = Question()
        question.file_containing_extension.containing_type = extended
        question.file_containing_extension.extension_number = number
        assert files_of(await answer(channel, version, question))[0] == OPTIONS


@both_versions
async def test_a_generic_client_reads_who_may_make_a_call(
    channel: grpc.aio.Channel, version: str
) -> None:
    """It knows none of our files, and makes the types from those that it is given."""
    answered = await answer(channel, version, Question(file_containing_symbol=f"{NAME}.Execute"))
    pool = DescriptorPool()
    # A file comes before those that it needs.
    for text in reversed(answered.file_descriptor_response.file_descriptor_proto):
        pool.AddSerializedFile(text)

    method: Any = pool.FindServiceByName(NAME).methods_by_name["Execute"]
    options: Any = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.MethodOptions"))
    stated = options.FromString(method.GetOptions().SerializeToString())
    access = stated.Extensions[pool.FindExtensionByName("caravel.common.v1.access")]
    assert MessageToDict(access) == {"principal": "SERVICE", "services": ["worker"]}
