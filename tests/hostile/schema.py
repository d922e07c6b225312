"""schemathesis over the served OpenAPI document: requests that keep to it, and requests that
break it in one place. Beside our checks, its own check that a broken request is refused and that
the document names each answer."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import hypothesis
import requests
import schemathesis
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.hostile.oracle import Answer, Fault, Tally, check_http

CALL_SECONDS = 30
CHECK_NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# Hypothesis changes the recursion limit of the process, at which the compilation of an import in
# another of its threads fails.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Share:
    """A round's part of the operations, and how many requests of each mode each of them gets."""

    number: int
    of: int
    each: int
    seed: int


def run(base_url: str, document: Mapping[str, Any], share: Share, tally: Tally) -> None:
    """Attacks the share's operations."""
    schema = schemathesis.openapi.from_dict(dict(document))
    # A made-up key would be refused before anything else of the request is read.
    schema.config.generation.update(with_security_parameters=False)
    checks = [check for name in CHECK_NAMES for check in CHECKS.get_by_names([name])]

    with _ONE_AT_A_TIME, requests.Session() as session:

        def send(case: Any, mode: GenerationMode) -> None:
            if mode is GenerationMode.POSITIVE and "Idempotency-Key" in (case.headers or {}):
                case.headers["Idempotency-Key"] = uuid4().hex
            response = case.call(base_url=base_url, session=session, timeout=CALL_SECONDS)
            _check(case, response, f"schema, {mode.name.lower()}", checks, tally)

        for index, found in enumerate(schema.get_all_operations()):
            if index % share.of == share.number:
                for mode in MODES:
                    _attack(found.ok(), mode, share, send)


def _attack(
    operation: Any, mode: GenerationMode, share: Share, send: Callable[[Any, GenerationMode], None]
) -> None:
    @hypothesis.seed(share.seed)
    @hypothesis.settings(
        max_examples=share.each,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def attack(case: Any) -> None:
        send(case, mode)

    # An operation without fields cannot be broken.
    with contextlib.suppress(Unsatisfiable):
        attack()


def _check(case: Any, response: Any, kind: str, checks: list[Any], tally: Tally) -> None:
    headers = {name.lower(): values[0] for name, values in response.headers.items()}
    answer = Answer(status=response.status_code, headers=headers, body=response.content)
    sent = f"{case.method} {case.formatted_path} {case.query} {case.headers} {case.body!r}"
    tally.note(kind, str(response.status_code), sent, check_http(answer, case.method))
    for failure in _failures(case, response, checks):
        tally.blame(Fault(kind=kind, sent=sent, wrong=failure))


def _failures(case: Any, response: Any, checks: list[Any]) -> list[str]:
    try:
        case.validate_response(response, checks=checks)
    except BaseExceptionGroup as group:
        return [_words(error) for error in group.exceptions]
    except AssertionError as error:
        return [_words(error)]
    return []


def _words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]
