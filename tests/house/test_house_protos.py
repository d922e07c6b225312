"""The contracts have a comment on every element, and their reasons exist and happen."""

import importlib
import re

from caravel.common.v1 import options_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc.code_pb2 import Code

from deploy.authority import SERVICES
from gateway.contract import Access, http_rules, is_repeatable, read_contract, read_headers
from gateway.openapi import DESCRIPTOR
from services.shared.errors import DomainError
from services.shared.grpc_status import KINDS
from tests.house.places import ROOT, at, check, files

PROTO_LINES = 550
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
    clauses = re.findall(r"(?:Refuses|with the reason) ([^.]*)", comment)
    return [word for clause in clauses for word in re.findall(r"\b[A-Z]{2}[A-Z_]+\b", clause)]


def test_every_reason_has_a_code_and_a_status() -> None:
    check(
        f"{line_of(f'caravel.common.v1.ErrorReason.{reason}')}{reason} needs a gRPC code and a "
        "status of a refusal in its option `refusal`, and so does each of its other cases"
        for reason, answers in CONTRACT.answers().items()
        for case, answer in answers.items()
        if not answer.grpc_code or not 400 <= answer.http_status < 600 or case != case.lower()
    )


def test_a_reason_that_says_when_to_retry_can_be_retried() -> None:
    """The codes of google.rpc that a caller may try again, and the statuses of HTTP beside them."""
    retried = {Code.ABORTED: 409, Code.RESOURCE_EXHAUSTED: 429, Code.UNAVAILABLE: 503}
    check(
        f"{line_of(f'caravel.common.v1.ErrorReason.{reason}')}{reason} says when to repeat, and "
        f"its code and its status {answer.http_status} say that it is of no use"
        for reason, answers in CONTRACT.answers().items()
        for answer in answers.values()
        if answer.retry_after_seconds and retried.get(answer.grpc_code) != answer.http_status
    )


def test_every_call_says_who_may_make_it() -> None:
    check(
        f"{line_of(f'{service}.{method.name}')}{method.name} needs the option `access`: a "
        "principal, and scopes where a merchant or an operator makes the call, but nowhere else"
        for service, block in CONTRACT.services.items()
        if service.startswith(OURS)
        for method in block.method
        if not _is_whole(CONTRACT.access(method))
    )


def _is_whole(access: Access) -> bool:
    if access.principal in ("MERCHANT", "OPERATOR"):
        return bool(access.scopes) and all(re.fullmatch(r"[a-z]+:[a-z]+", s) for s in access.scopes)
    return access.principal != "PRINCIPAL_UNSPECIFIED" and not access.scopes


def test_a_call_says_in_words_what_its_options_say_of_repeating_it() -> None:
    """The gateway goes by the options, and a caller by the words."""
    check(
        f"{line_of(f'{service}.{method.name}')}say of {method.name} that it is idempotent in its "
        "comment and by its option `idempotency_level`, or in neither"
        for service, method, rule in CONTRACT.bindings()
        if rule.WhichOneof("pattern") == "post"
        and "idempotency-key" not in read_headers(method)
        and bool(re.search(r"\bIdempotent\b", CONTRACT.comments[f"{service}.{method.name}"]))
        != is_repeatable(method)
    )


def test_a_call_of_services_names_them_and_no_other_call_does() -> None:
    check(
        f"{line_of(f'{service}.{method.name}')}{method.name} needs `services` in its option "
        f"`access`, of {', '.join(SERVICES)}; only a call for the principal SERVICE has them"
        for service, block in CONTRACT.services.items()
        if service.startswith(OURS)
        for method in block.method
        for named in [set(method.options.Extensions[options_pb2.access].services)]
        if (CONTRACT.access(method).principal == "SERVICE") != bool(named)
        or not named <= set(SERVICES)
    )


def test_a_call_that_is_bound_to_rest_is_not_for_services_alone() -> None:
    check(
        f"{line_of(f'{service}.{method.name}')}{method.name} is bound to REST, so its principal is "
        "outside the mesh, and the other way about"
        for service, block in CONTRACT.services.items()
        if service.startswith(OURS)
        for method in block.method
        if bool(http_rules(method)) == (CONTRACT.access(method).principal == "SERVICE")
    )


def test_every_scope_is_needed_by_a_call() -> None:
    needed = {
        scope
        for service, block in CONTRACT.services.items()
        if service.startswith(OURS)
        for method in block.method
        for scope in CONTRACT.access(method).scopes
    }
    check(
        f"{line_of(f'caravel.common.v1.Scope.{value.name}')}no call needs {value.name}; remove it"
        for value in CONTRACT.enums["caravel.common.v1.Scope"].value
        if value.number and value.options.Extensions[options_pb2.scope_name] not in needed
    )


def test_a_call_that_needs_a_key_names_what_is_wrong_with_one() -> None:
    reasons = {"IDEMPOTENCY_KEY_REQUIRED", "IDEMPOTENCY_KEY_INVALID"}
    check(
        f"{line_of(f'{service}.{method.name}')}{method.name} has the option `idempotency_key` and "
        f"does not refuse with {reasons}, or the other way about"
        for service, block in CONTRACT.services.items()
        for method in block.method
        if ("idempotency-key" in read_headers(method))
        != (reasons <= set(_reasons_in(CONTRACT.comments.get(f"{service}.{method.name}", ""))))
    )


def test_a_refusal_in_code_is_of_the_kind_of_its_reason() -> None:
    """The kind is what the code catches, the code what a caller reads; both stand for one thing."""
    for path in files("*.py", below=("services",)):
        if not {"migrations", "__init__", "__main__"} & {*path.parts, path.stem}:
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    check(
        f"{kind.__module__}: {kind.__name__} is of the kind {base.__name__}, whose code is "
        f"{code.name}, and its reason {kind.reason} has another code"
        for kind in _below(DomainError)
        if kind.__module__.startswith("services.") and kind not in KINDS.values()
        for code, base in KINDS.items()
        if base is next(one for one in kind.__mro__ if one in KINDS.values())
        and CONTRACT.answers()[kind.reason][""].grpc_code != code.value[0]
    )


def _below(kind: type[DomainError]) -> set[type[DomainError]]:
    direct = set(kind.__subclasses__())
    return direct.union(*(_below(one) for one in direct))


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
        # One enum is one list.
        if path.name != "error_reason.proto"
        if (length := len(path.read_text().splitlines())) > PROTO_LINES
    )
