"""The REST API for a client: statuses, amounts, errors, limits. Only payments is scripted."""

import json
from typing import Any

import aiohttp
import grpc
import pytest
from caravel.payments.v1 import payments_pb2
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.contract import Answer, read_contract
from gateway.routes import DESCRIPTOR
from services.shared.errors import field_invalid
from tests.refusals import Busy, KeyReused, Missing
from tests.unit.gateway.conftest import Gateway

PAYMENT = '{"user_id": "u", "amount_usd": 100.00, "destination_currency": "INR"}'


def refusing(error: Exception) -> Any:
    async def answer(request: Any, context: Any) -> payments_pb2.Payment:
        raise error

    return answer


async def post(http: aiohttp.ClientSession, path: str, body: str | bytes) -> tuple[int, Any]:
    async with http.post(path, data=body) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def get(http: aiohttp.ClientSession, path: str, **arguments: Any) -> tuple[int, Any]:
    async with http.get(path, **arguments) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def test_new_payment_answers_201(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    async with http.post("/api/payments", data=PAYMENT) as response:
        payment = await response.json()

        assert response.status == 201
        assert payment["amount_usd"] == "100.00"
        assert payment["status"] == "PENDING"
        assert response.headers["cache-control"] == "no-store"
        assert not {"grpc-status", "x-http-status"} & {name.lower() for name in response.headers}


@pytest.mark.parametrize("path", ["/api/payments", "/api/quotes"])
@pytest.mark.parametrize("number", ["100.00", "100", "-5", "0.10", "123456789012345678901234.560"])
async def test_amount_as_number_arrives_digit_for_digit(
    gateway: Gateway, http: aiohttp.ClientSession, path: str, number: str
) -> None:
    status, _ = await post(http, path, f'{{"amount_usd" :\n {number}}}')

    assert status in (200, 201)
    assert gateway.backend.requests[-1].amount_usd == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *(("1e2", "100"), ("1E+2", "100"), ("1.0E7", "10000000"), ("-1e2", "-100")),
        *(("1050e-2", "10.50"), ("1e-3", "0.001"), ("1.2345e2", "123.45"), ("0e5", "0")),
        *(("100e0", "100"), ("0.5e-1", "0.05"), ("12e-2", "0.12"), ("1e31", "1e31")),
    ],
)
async def test_the_exponent_of_a_number_is_written_out(
    gateway: Gateway, http: aiohttp.ClientSession, number: str, text: str
) -> None:
    await post(http, "/api/payments", f'{{"amount_usd": {number}}}')

    assert gateway.backend.requests[-1].amount_usd == text


@pytest.mark.parametrize("text", ["100.00", "1e2"])
async def test_amount_as_string_arrives_as_it_is(
    gateway: Gateway, http: aiohttp.ClientSession, text: str
) -> None:
    await post(http, "/api/payments", f'{{"amount_usd": "{text}"}}')

    assert gateway.backend.requests[-1].amount_usd == text


async def test_amount_inside_another_string_is_left_alone(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    reference = 'x "amount_usd": 5 \\ "amount_usd":7'

    await post(http, "/api/payments", json.dumps({"reference": reference, "amount_usd": 1}))

    assert gateway.backend.requests[-1].reference == reference
    assert gateway.backend.requests[-1].amount_usd == "1"


@pytest.mark.parametrize("number", ["NaN", "+5", ".5", "0x10", "true", "[1]", '{"value": "1"}'])
async def test_amount_of_another_form_is_400(
    gateway: Gateway, http: aiohttp.ClientSession, number: str
) -> None:
    status, body = await post(http, "/api/payments", f'{{"amount_usd": {number}}}')

    assert (status, body["code"]) == (400, 3)
    assert not gateway.backend.requests


async def test_reused_key_answers_422(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    gateway.backend.answer = refusing(KeyReused())

    status, body = await post(http, "/api/payments", PAYMENT)

    assert (status, body["code"]) == (422, 9)
    assert body["details"][0]["reason"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_new_quote_answers_201_and_what_is_only_read_200(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    quote = '{"amount_usd": 100.00, "destination_currency": "INR"}'
    status, _ = await post(http, "/api/quotes", quote)
    async with http.get("/api/quotes/quo_1") as read:
        assert (status, read.status) == (201, 200)


def refused_with(reason: str, code: int, message: str = "no") -> Any:
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="caravel.dev"))
    wanted = status_pb2.Status(code=code, message=message, details=[packed])

    async def answer(request: Any, context: Any) -> None:
        await context.abort_with_status(rpc_status.to_status(wanted))

    return answer


ANSWERS = {
    (reason, case): answer
    for reason, answers in read_contract(DESCRIPTOR).answers().items()
    for case, answer in answers.items()
    # Both cases have one code; no service refuses because of headers.
    if (reason, case) != ("REQUEST_TOO_LARGE", "headers")
}


@pytest.mark.parametrize(
    ("named", "wanted"), list(ANSWERS.items()), ids=list(map(" ".join, ANSWERS))
)
async def test_a_refusal_of_a_service_has_the_status_of_its_reason(
    gateway: Gateway, http: aiohttp.ClientSession, named: tuple[str, str], wanted: Answer
) -> None:
    gateway.backend.answer = refused_with(named[0], wanted.grpc_code)

    status, body = await post(http, "/api/payments", PAYMENT)

    assert (status, body["code"]) == (wanted.http_status, wanted.grpc_code)


@pytest.mark.parametrize(
    "message",
    ['"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"OVERLOADED"', '"'],
)
async def test_a_message_that_looks_like_a_reason_changes_no_status(
    gateway: Gateway, http: aiohttp.ClientSession, message: str
) -> None:
    gateway.backend.answer = refused_with("PAYMENT_NOT_FOUND", 5, message)

    status, body = await post(http, "/api/payments", PAYMENT)

    assert (status, body["message"]) == (404, message)


async def test_a_reason_that_the_gateway_does_not_know_keeps_the_status_of_its_code(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    gateway.backend.answer = refused_with("NEWER_THAN_THE_GATEWAY", 9)

    status, _ = await post(http, "/api/payments", PAYMENT)

    assert status == 400


async def test_replay_header_reaches_the_client(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async def answer(request: Any, context: Any) -> payments_pb2.Payment:
        await context.send_initial_metadata((("idempotent-replayed", "true"),))
        return payments_pb2.Payment()

    gateway.backend.answer = answer

    async with http.post("/api/payments", data=PAYMENT) as response:
        assert (response.status, response.headers["idempotent-replayed"]) == (201, "true")


async def test_conflict_says_when_to_retry(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    gateway.backend.answer = refusing(Busy())

    async with http.post("/api/payments", data=PAYMENT) as response:
        body = await response.json()

        assert (response.status, response.headers["retry-after"]) == (409, "1")
        assert body["details"][1] == {
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retry_delay": "1s",
        }


async def test_refusal_names_field_reason_and_request(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    gateway.backend.answer = refusing(field_invalid("user_id", "user_id must be a UUID"))

    async with http.post("/api/payments", data=PAYMENT) as response:
        body = await response.json()

        assert response.status == 400
        assert body["message"] == "user_id must be a UUID"
        info, bad_request, request_info = body["details"]
        assert (info["reason"], info["domain"]) == ("FIELD_INVALID", "caravel.dev")
        assert info["metadata"] == {"field": "user_id"}
        assert bad_request["field_violations"][0]["field"] == "user_id"
        assert request_info["request_id"] == response.headers["x-request-id"]


DETAILS = [
    error_details_pb2.ErrorInfo(reason="R", domain="caravel.dev", metadata={"a": "b"}),
    error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1)),
    error_details_pb2.DebugInfo(detail="d"),
    error_details_pb2.QuotaFailure(),
    error_details_pb2.PreconditionFailure(),
    error_details_pb2.BadRequest(),
    error_details_pb2.RequestInfo(request_id="r"),
    error_details_pb2.ResourceInfo(resource_name="n"),
    error_details_pb2.Help(links=[error_details_pb2.Help.Link(url="u")]),
    error_details_pb2.LocalizedMessage(locale="de", message="m"),
]


@pytest.mark.parametrize("detail", DETAILS, ids=lambda detail: detail.DESCRIPTOR.name)
async def test_every_type_of_detail_is_printed(
    gateway: Gateway, http: aiohttp.ClientSession, detail: Message
) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    wanted = status_pb2.Status(code=5, message="é gone", details=[packed])

    async def answer(request: Any, context: Any) -> None:
        await context.abort_with_status(rpc_status.to_status(wanted))

    gateway.backend.answer = answer

    status, body = await post(http, "/api/payments", PAYMENT)

    assert (status, body["message"]) == (404, "é gone")
    assert body["details"][0]["@type"] == f"type.googleapis.com/{detail.DESCRIPTOR.full_name}"


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "OVERLOADED"),
        (grpc.StatusCode.UNAVAILABLE, 503, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.UNIMPLEMENTED, 503, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.INTERNAL, 500, "INTERNAL_ERROR"),
        (grpc.StatusCode.UNKNOWN, 500, "INTERNAL_ERROR"),
        (grpc.StatusCode.CANCELLED, 500, "INTERNAL_ERROR"),
    ],
)
async def test_an_error_of_grpc_itself_has_our_form_and_none_of_its_words(
    gateway: Gateway,
    http: aiohttp.ClientSession,
    code: grpc.StatusCode,
    status: int,
    reason: str,
) -> None:
    async def answer(request: Any, context: Any) -> None:
        await context.abort(code, "received metadata of caravel.payments.v1.PaymentService")

    gateway.backend.answer = answer

    async with http.post("/api/payments", data=PAYMENT) as response:
        body = await response.json()

    assert (response.status, body["details"][0]["reason"]) == (status, reason)
    assert body["details"][-1]["request_id"] == response.headers["x-request-id"]
    assert "caravel.payments" not in str(body)
    assert ("retry-after" in response.headers) == (status in (429, 503))


async def test_fault_in_the_service_reveals_nothing(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    gateway.backend.answer = refusing(RuntimeError("the password is swordfish"))

    status, body = await post(http, "/api/payments", PAYMENT)

    assert (status, body["code"]) == (500, 13)
    assert "swordfish" not in json.dumps(body)


async def test_unknown_payment_is_404(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    gateway.backend.answer = refusing(Missing())

    status, body = await post(http, "/api/payments", PAYMENT)

    assert (status, body["code"]) == (404, 5)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nope"),
        ("GET", "/api/payments/"),
        ("OPTIONS", "/nope"),
        ("POST", "/caravel.payments.v1.PaymentService/CreatePayment"),
        ("POST", "/grpc.health.v1.Health/Check"),
    ],
)
async def test_unknown_path_is_404(
    gateway: Gateway, http: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with http.request(method, path, data="{}") as response:
        body = await response.json()

        assert (response.status, body["code"]) == (404, 5)
        assert body["details"][0]["reason"] == "ROUTE_NOT_FOUND"
        assert body["details"][1]["request_id"] == response.headers["x-request-id"]


async def test_unknown_query_parameter_is_400_and_named(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    status, body = await get(http, "/api/payments?page_sise=3")

    assert (status, body["code"]) == (400, 3)
    assert "page_sise" in body["message"]


async def test_query_parameters_arrive_typed(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    query = "page_size=3&status=COMPLETED&created_after=2026-11-23T12:00:00Z"

    status, body = await get(http, f"/api/payments?{query}")

    page = {"payments": [], "next_page_token": "", "unreadable_transaction_ids": []}
    assert (status, body) == (200, page)
    request = gateway.backend.requests[-1]
    assert (request.page_size, request.status) == (3, payments_pb2.Payment.COMPLETED)
    assert request.created_after.ToJsonString() == "2026-11-23T12:00:00Z"


@pytest.mark.parametrize("size", [262_145, 300_000, 2_000_000])
async def test_large_body_is_413(gateway: Gateway, http: aiohttp.ClientSession, size: int) -> None:
    status, body = await post(http, "/api/payments", b"x" * size)

    assert status == 413
    assert body["details"][0]["reason"] == "REQUEST_TOO_LARGE"
    assert body["details"][0]["metadata"] == {"max_bytes": "262144"}
