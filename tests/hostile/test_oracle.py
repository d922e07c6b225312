"""The checks find each planted fault, and nothing where all is well."""

import json
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tests.hostile.oracle import Answer, Fault, Tally, check_grpc, check_http, check_log_line
from tests.hostile.run import growth

JSON = {"content-type": "application/json"}


def refusal(code: int = 3, **changes: Any) -> bytes:
    """The body of a refusal in our shape, with changes to its two details."""
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "FIELD_INVALID"}
    request = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": "1"}
    for detail in (info, request):
        detail.update({name: value for name, value in changes.items() if name in detail})
    return json.dumps({"code": code, "message": "No.", "details": [info, request]}).encode()


def native(reason: str) -> bytes:
    """The details of a native refusal."""
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.ErrorInfo(reason=reason))
    return status_pb2.Status(code=3, details=[packed]).SerializeToString()


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (200, 0, ""),
        (201, 0, ""),
        (302, 0, ""),
        (400, 3, "FIELD_INVALID"),
        (400, 11, "AMOUNT_ABOVE_MAXIMUM"),
        (404, 5, "PAYMENT_NOT_FOUND"),
        (405, 12, "METHOD_NOT_ALLOWED"),
        (415, 3, "CONTENT_TYPE_UNSUPPORTED"),
        (422, 9, "IDEMPOTENCY_KEY_REUSED"),
        (429, 8, "OVERLOADED"),
        (413, 8, "REQUEST_TOO_LARGE"),
        (431, 8, "REQUEST_TOO_LARGE"),
    ],
)
def test_an_answer_in_our_shape_is_no_fault(status: int, code: int, reason: str) -> None:
    body = refusal(code, reason=reason)

    assert check_http(Answer(status=status, headers=JSON, body=body)) == []


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, JSON, refusal()),
        (501, JSON, refusal()),
        (400, {"content-type": "text/plain"}, refusal()),
        (400, JSON, b"Bad Request"),
        (400, JSON, refusal(reason="")),
        (400, JSON, refusal(request_id=None)),
        (404, JSON, refusal(reason="FIELD_INVALID")),
        (400, JSON, refusal(11, reason="FIELD_INVALID")),
        (400, JSON, refusal(9, reason="IDEMPOTENCY_KEY_REUSED")),
        (400, JSON, refusal(reason="NOT_IN_THE_CONTRACT")),
        (400, JSON, b'{"code": 3, "message": "", "details": []}'),
        (400, JSON, refusal(reason="caravel.payments.v1.GetPaymentRequest")),
        (404, JSON, refusal(reason='File "/srv/services/payments/servicer.py"')),
    ],
)
def test_each_fault_of_an_answer_is_found(
    status: int, headers: Mapping[str, str], body: bytes
) -> None:
    assert check_http(Answer(status=status, headers=headers, body=body))


def test_an_answer_to_head_needs_no_body() -> None:
    assert check_http(Answer(status=404, headers={}, body=b""), "HEAD") == []


@pytest.mark.parametrize(
    ("code", "message", "details"),
    [
        (grpc.StatusCode.INTERNAL, "No.", native("INTERNAL_ERROR")),
        (grpc.StatusCode.UNKNOWN, "No.", native("FIELD_INVALID")),
        (grpc.StatusCode.UNAVAILABLE, "No.", native("FIELD_INVALID")),
        (grpc.StatusCode.INVALID_ARGUMENT, "No.", None),
        (grpc.StatusCode.INVALID_ARGUMENT, "No.", native("")),
        (grpc.StatusCode.INVALID_ARGUMENT, "No.", native("PAYMENT_NOT_FOUND")),
        (grpc.StatusCode.INVALID_ARGUMENT, "No.", native("NOT_IN_THE_CONTRACT")),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "No.", native("REQUEST_TOO_SLOW")),
        (grpc.StatusCode.NOT_FOUND, "asyncpg.PostgresError", native("FIELD_INVALID")),
    ],
)
def test_each_fault_of_a_native_call_is_found(
    code: grpc.StatusCode, message: str, details: bytes | None
) -> None:
    assert check_grpc(code, message, details)


def test_a_native_refusal_with_a_reason_is_no_fault() -> None:
    assert check_grpc(grpc.StatusCode.INVALID_ARGUMENT, "No.", native("FIELD_INVALID")) == []


def test_errors_and_stack_traces_in_a_log_are_found() -> None:
    assert check_log_line('{"level": "error", "event": "call_failed"}')
    assert check_log_line("Traceback (most recent call last):")
    assert check_log_line('{"level": "warning", "event": "call"}') == []


def test_a_key_of_a_refused_request_that_is_kept_is_found() -> None:
    tally = Tally()
    tally.note("bodies", "400", "", [], "refused")
    tally.note("bodies", "201", "", [], "made")
    tally.note("bodies", "429", "", [], "busy")
    tally.note("bodies", "closed", "", [], "unknown")

    assert tally.written_although_refused(["refused", "made", "busy", "unknown"]) == ["refused"]


def test_faults_of_one_sort_are_counted_and_the_first_is_kept() -> None:
    tally = Tally()
    for number in (1, 2):
        tally.blame(Fault(kind="bytes", sent=f"request {number}", wrong=f"{500 + number} broken"))

    assert [fault.sent for fault in tally.faults.values()] == ["request 1"]
    assert tally.fault_count == 2


def test_memory_that_goes_on_growing_is_found() -> None:
    flat = [{"payments": 70.0 + (number % 2)} for number in range(10)]
    growing = [{"payments": 70.0 + 10 * number} for number in range(10)]

    assert growth(flat) == []
    assert growth(growing) == ["payments grew from 100 to 140 MB"]


PAGE = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'self'",
    "x-request-id": "req-1",
}


def test_a_page_of_the_console_that_names_its_request_is_well() -> None:
    body = b"<dd><code>req-1</code></dd>"
    assert check_http(Answer(status=404, headers=PAGE, body=body)) == []
    assert check_http(Answer(status=500, headers=PAGE, body=body)) != []
    assert check_http(Answer(status=404, headers=PAGE, body=body + b"Traceback")) != []


@pytest.mark.parametrize("missing", PAGE)
def test_another_page_is_none_of_ours(missing: str) -> None:
    headers = {name: value for name, value in PAGE.items() if name != missing}
    answer = Answer(status=404, headers=headers, body=b"<dd><code>req-1</code></dd>")
    assert check_http(answer) != []
    assert check_http(Answer(status=404, headers=PAGE, body=b"<dd><code>req-2</code></dd>")) != []
