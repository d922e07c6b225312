"""The contracts have a comment on every element, and their reasons exist and happen."""

import re

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.openapi import DESCRIPTOR
from gateway.openapi.contract import read_contract
from tests.house.places import ROOT, at, check, files

PROTO_LINES = 500
CONTRACT = read_contract(DESCRIPTOR)
OURS = "caravel."
REASONS = ROOT / "protos/caravel/common/v1/error_reason.proto"


def line_of(name: str) -> str:
    """Where the last part of a full name stands, for a report."""
    word = re.compile(rf"\b{re.escape(name.rpartition('.')[2])}\b")
    package = "/".join(part for part in name.split(".") if part[0].islower())
    for path in files("*.proto", below=("protos/caravel",)):
        if package.rpartition("/")[0] in str(path) or package in str(path):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if word.search(line) and not line.lstrip().startswith("//"):
                    return at(path, number, "")
    return f"{name}: "


def elements() -> list[str]:
    """The full names of everything that needs a comment."""
    names = []
    for name, message in CONTRACT.messages.items():
        if not message.options.map_entry:
            names += [name, *(f"{name}.{field.name}" for field in message.field)]
    for name, enum in CONTRACT.enums.items():
        names += [name, *(f"{name}.{value.name}" for value in enum.value)]
    for name, service in CONTRACT.services.items():
        names += [name, *(f"{name}.{method.name}" for method in service.method)]
    return [name for name in names if name.startswith(OURS)]


def test_every_element_is_commented() -> None:
    assert len(elements()) > 100
    check(
        f"{line_of(name)}{name} needs a comment: unit, range, meaning when absent, an example"
        for name in elements()
        if not CONTRACT.comments.get(name)
    )


def test_every_file_is_introduced() -> None:
    names = [file.name for file in FileDescriptorSet.FromString(DESCRIPTOR.read_bytes()).file]
    check(
        f"protos/{name}:1: say in a comment above `package` what the file is about"
        for name in names
        if name.startswith("caravel/") and not CONTRACT.comments.get(name)
    )


def test_every_comment_ends_as_a_sentence() -> None:
    check(
        f"{line_of(name)}end the comment of {name} with a full stop, or with an example"
        for name in elements()
        if not re.search(r'[.}"]$', CONTRACT.comments.get(name, "."))
    )


def test_reasons_named_by_calls_exist() -> None:
    known = set(CONTRACT.reasons())
    check(
        f"{line_of(f'{service}.{method.name}')}{word} is no ErrorReason; add it there or correct it"
        for service, block in CONTRACT.services.items()
        for method in block.method
        for word in _reasons_in(CONTRACT.comments.get(f"{service}.{method.name}", ""))
        if word not in known
    )


def _reasons_in(comment: str) -> list[str]:
    clauses = re.findall(r"(?:Refuses with|with the reason) ([^.]*)", comment)
    return [word for clause in clauses for word in re.findall(r"\b[A-Z]{2}[A-Z_]+\b", clause)]


def test_every_reason_happens() -> None:
    gateways = (*files("*.lua", below=("gateway",)), ROOT / "gateway" / "envoy.yaml")
    sources = (*files("*.py", below=("services",)), *gateways)
    source = "\n".join(path.read_text() for path in sources)
    check(
        f"{line_of(f'caravel.common.v1.ErrorReason.{reason}')}nothing raises {reason}; remove it"
        for reason in CONTRACT.reasons()
        if f'"{reason}"' not in source and f"reason: {reason}," not in source
    )


def test_reasons_in_code_are_in_the_catalogue() -> None:
    known = set(CONTRACT.reasons())
    written = re.compile(r'(?<!, )\breason(?:: [\w\[\]]+)? ?= ?"([A-Z_]+)"')
    check(
        at(path, number, f"{reason} is not in {REASONS.relative_to(ROOT)}; add it with an example")
        for path in files("*.py", below=("services",))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for reason in written.findall(line)
        if reason not in known
    )


def test_contract_files_are_short() -> None:
    check(
        at(path, length, f"{length} lines; one gRPC service a file")
        for path in files("*.proto", below=("protos",))
        if (length := len(path.read_text().splitlines())) > PROTO_LINES
    )
