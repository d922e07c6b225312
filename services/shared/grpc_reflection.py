"""gRPC's reflection: which services there are, and the files that describe them. Both versions, in
the same words; symbols of methods too, which generic clients ask for. grpcio's own servicer knows
neither, and shows every file that the process has loaded. A question that came through a listener
of the gateway is answered with the services to which that listener leads, and with no others."""

from collections.abc import AsyncIterator, Iterable, Mapping
from functools import lru_cache
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2 as messages

from services.shared.contract import REASONS, access_by_method
from services.shared.held import HeldStreams

OLD, NEW = "grpc.reflection.v1alpha", "grpc.reflection.v1"
NAMES = tuple(f"{package}.ServerReflection" for package in (OLD, NEW))
METHOD = "ServerReflectionInfo"
# Where the names of our own services begin.
OURS = "caravel."
NOT_FOUND = messages.ErrorResponse(
    error_code=grpc.StatusCode.NOT_FOUND.value[0], error_message="Nothing here has this name."
)
# The gateway sets it: the kinds of principal whose calls the listener leads to, with commas.
PRINCIPALS = "x-caravel-principals"


class Reflection:
    """Describes these services, each caller those that it can reach."""

    def __init__(self, services: Iterable[str], held: HeldStreams) -> None:
        _describe_new_version()
        self._services = tuple(services)
        self._held = held
        # As many as there are listeners, and more than that is not kept.
        self._described = lru_cache(maxsize=4)(self._describe)
        # Not with the first question, which would wait for it.
        self._described(None)

    def handler(self) -> Any:
        """The handler of either version."""
        return grpc.stream_stream_rpc_method_handler(
            self._answers,
            messages.ServerReflectionRequest.FromString,
            messages.ServerReflectionResponse.SerializeToString,
        )

    async def _answers(self, questions: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        metadata = dict(context.invocation_metadata() or ())
        described = self._described(metadata.get(PRINCIPALS))
        with self._held.one_more(context.peer()):
            async for question in questions:
                yield described.answer(question)

    def _describe(self, principals: str | None) -> "_Described":
        """The services that one of these principals may call; all of them for a caller inside."""
        if principals is None:
            return _Described(self._services)
        kinds = set(principals.split(","))
        return _Described(name for name in self._services if _is_open(name, kinds))


def _is_open(service: str, kinds: set[str]) -> bool:
    """Whether one of these kinds of principal may make a call of it; health is everybody's."""
    if not service.startswith(OURS):
        return True
    return any(access.principal in kinds for access in access_by_method(service).values())


class _Described:
    """Answers about these services, and about no file that they do not need."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = sorted({*services, *NAMES})
        self._files: dict[str, Any] = {}
        pool = descriptor_pool.Default()
        for name in self._services:
            self._add(pool.FindServiceByName(name).file)
        # Every error names one of its values, and no file of a service imports it.
        self._add(pool.FindEnumTypeByName(REASONS).file)

    def answer(self, question: Any) -> Any:
        """The answer to one question."""
        answer = messages.ServerReflectionResponse(
            valid_host=question.host, original_request=question
        )
        kind = question.WhichOneof("message_request")
        if kind == "list_services":
            answer.list_services_response.service.extend(
                messages.ServiceResponse(name=name) for name in self._services
            )
            return answer
        if kind == "all_extension_numbers_of_type":
            return self._with_extensions(answer, question.all_extension_numbers_of_type)
        file = self._file(kind, question)
        if file is None:
            answer.error_response.CopyFrom(NOT_FOUND)
        else:
            # Those that it needs as well, after it.
            described = _with_needed(file).values()
            answer.file_descriptor_response.file_descriptor_proto.extend(described)
        return answer

    def _file(self, kind: str | None, question: Any) -> Any:
        """The file that is asked for; None if there is no such."""
        if kind == "file_by_filename":
            return self._files.get(question.file_by_filename)
        if kind == "file_containing_symbol":
            return self._file_of(question.file_containing_symbol)
        if kind == "file_containing_extension":
            wanted = question.file_containing_extension
            found = self._extensions(wanted.containing_type) or {}
            return found.get(wanted.extension_number)
        return None

    def _with_extensions(self, answer: Any, extended: str) -> Any:
        found = self._extensions(extended)
        if found is None:
            answer.error_response.CopyFrom(NOT_FOUND)
        else:
            answer.all_extension_numbers_response.base_type_name = extended
            answer.all_extension_numbers_response.extension_number.extend(sorted(found))
        return answer

    def _extensions(self, extended: str) -> Mapping[int, Any] | None:
        """Of a type of message, the files that extend it, by number; None if there is no such."""
        pool = descriptor_pool.Default()
        try:
            found: list[Any] = pool.FindAllExtensions(pool.FindMessageTypeByName(extended))
        except KeyError:
            return None
        return {one.number: one.file for one in found if one.file.name in self._files}

    def _file_of(self, symbol: str) -> Any:
        """The file with this service, message or enum, or a member of one; None if none has it."""
        found = _find(symbol)
        if found is None:
            owner, _, member = symbol.rpartition(".")
            found = _find(owner) if owner else None
            if found is None or not _has_member(owner, member):
                return None
        return self._files.get(found.name)

    def _add(self, file: Any) -> None:
        if file.name not in self._files:
            self._files[file.name] = file
            for needed in file.dependencies:
                self._add(needed)


def _find(symbol: str) -> Any:
    try:
        return descriptor_pool.Default().FindFileContainingSymbol(symbol)
    except KeyError:
        return None


def _has_member(owner: str, member: str) -> bool:
    """Whether a method, field, oneof or enum value of this name is in the owner."""
    pool = descriptor_pool.Default()
    for find in (pool.FindServiceByName, pool.FindMessageTypeByName, pool.FindEnumTypeByName):
        try:
            described: Any = find(owner)
        except KeyError:
            continue
        kinds = ("methods_by_name", "fields_by_name", "oneofs_by_name", "values_by_name")
        return any(member in getattr(described, kind, ()) for kind in kinds)
    return False


def _with_needed(file: Any) -> Mapping[str, bytes]:
    """The file and all that it needs, each before those that it needs itself."""
    found: dict[str, bytes] = {}

    def add(one: Any) -> None:
        if one.name not in found:
            for needed in one.dependencies:
                add(needed)
            found[one.name] = bytes(one.serialized_pb)

    add(file)
    return dict(reversed(found.items()))


def _describe_new_version() -> None:
    """Makes the file of version 1, which grpcio does not have: the older one under its new name."""
    pool = descriptor_pool.Default()
    try:
        pool.FindFileContainingSymbol(f"{NEW}.ServerReflection")
    except KeyError:
        text = messages.DESCRIPTOR.serialized_pb
        file = descriptor_pb2.FileDescriptorProto.FromString(text)
        file.name = file.name.replace("v1alpha", "v1")
        file.package = NEW
        for field in (field for kind in file.message_type for field in kind.field):
            if field.type_name:
                field.type_name = _renamed(field.type_name)
        for method in file.service[0].method:
            method.input_type = _renamed(method.input_type)
            method.output_type = _renamed(method.output_type)
        pool.AddSerializedFile(file.SerializeToString())


def _renamed(kind: str) -> str:
    return kind.replace(f".{OLD}.", f".{NEW}.")
