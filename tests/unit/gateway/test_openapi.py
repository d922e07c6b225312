"""The OpenAPI document: valid, whole, and enough to send a request without typing."""

import re
from typing import Any

import pytest
from caravel.common.v1 import error_reason_pb2
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.openapi import DESCRIPTOR, document
from gateway.openapi.contract import read_contract, reflow

DOCUMENT = document(DESCRIPTOR)
CREATE = DOCUMENT["paths"]["/api/payments"]["post"]
SCHEMAS = DOCUMENT["components"]["schemas"]


def operations() -> dict[str, Any]:
    return {
        f"{verb.upper()} {path}": operation
        for path, item in DOCUMENT["paths"].items()
        for verb, operation in item.items()
    }


def body_of(response: dict[str, Any]) -> Any:
    return response["content"]["application/json"]["schema"]


def test_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_public_call_is_described() -> None:
    assert set(operations()) == {
        "POST /api/payments",
        "GET /api/payments",
        "GET /api/payments/{transaction_id}",
        "GET /api/payments/{transaction_id}/events",
        "POST /api/payments/{transaction_id}:cancel",
        "POST /api/payments/{transaction_id}:refund",
        "POST /api/quotes",
        "GET /api/quotes/{quote_id}",
        "GET /api/corridors",
        "POST /api/webhooks",
        "POST /api/webhooks/{provider}",
        "POST /api/webhook-endpoints",
        "GET /api/webhook-endpoints",
        "DELETE /api/webhook-endpoints/{endpoint_id}",
        "GET /api/admin/dead-letters",
        "POST /api/admin/dead-letters/{dead_letter_id}:requeue",
        "POST /api/admin/dead-letters/{dead_letter_id}:discard",
        "POST /api/admin/payments/{transaction_id}:release",
        "POST /api/admin/payments/{transaction_id}:resolve",
        "GET /api/admin/overdue-payments",
        "GET /api/admin/operator-actions",
    }
    assert all(operation["summary"] for operation in operations().values())


def test_new_payment_can_be_sent_without_typing() -> None:
    example = CREATE["requestBody"]["content"]["application/json"]["example"]
    key = DOCUMENT["components"]["parameters"]["idempotency-key"]

    assert example["amount_usd"] == "100.00"
    assert example["destination_currency"] == "INR"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", example["user_id"])
    assert CREATE["parameters"] == [{"$ref": "#/components/parameters/idempotency-key"}]
    assert key["required"]
    assert key["example"]


def test_new_payment_answers_201_and_every_refusal_by_its_status() -> None:
    responses = CREATE["responses"]

    refusals = {"400", "404", "409", "413", "422", "429", "500", "503", "504"}
    assert {"201", *refusals} <= set(responses)
    assert body_of(responses["201"]) == {"$ref": "#/components/schemas/Payment"}
    assert body_of(responses["422"]) == {"$ref": "#/components/schemas/Status"}
    assert "IDEMPOTENCY_KEY_REUSED" in responses["422"]["description"]
    assert set(responses["201"]["headers"]) == {"x-request-id", "idempotent-replayed"}
    assert "retry-after" in responses["409"]["headers"]


def test_example_of_a_refusal_is_what_the_service_sends() -> None:
    examples = CREATE["responses"]["409"]["content"]["application/json"]["examples"]

    value = examples["IDEMPOTENCY_KEY_IN_USE"]["value"]
    assert value["code"] == 10
    assert value["details"][0]["reason"] == "IDEMPOTENCY_KEY_IN_USE"


def test_amount_may_be_sent_as_number_and_is_answered_as_string() -> None:
    assert SCHEMAS["CreatePaymentRequest"]["properties"]["amount_usd"]["type"] == [
        "string",
        "number",
    ]
    assert SCHEMAS["Payment"]["properties"]["amount_usd"]["type"] == "string"


def test_fields_that_are_always_there_are_required_in_answers() -> None:
    assert "reference" in SCHEMAS["Payment"]["required"]
    assert "failure" not in SCHEMAS["Payment"]["required"]
    assert SCHEMAS["CreatePaymentRequest"]["required"] == [
        *("user_id", "amount_usd", "destination_currency")
    ]


def test_webhook_takes_json_of_any_form() -> None:
    body = DOCUMENT["paths"]["/api/webhooks/{provider}"]["post"]["requestBody"]

    assert body_of(body)["type"] == "object"


def test_filters_are_query_parameters() -> None:
    parameters = {one["name"]: one for one in operations()["GET /api/payments"]["parameters"]}

    assert {one["in"] for one in parameters.values()} == {"query"}
    assert parameters["status"]["schema"] == {"$ref": "#/components/schemas/Payment.Status"}
    assert parameters["created_after"]["schema"]["format"] == "date-time"


def test_unsent_zero_value_is_no_choice() -> None:
    assert "STATUS_UNSPECIFIED" not in SCHEMAS["Payment.Status"]["enum"]
    assert "COMPLETED" in SCHEMAS["Payment.Status"]["enum"]


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r"'\$ref': '#/([^']+)'", str(DOCUMENT)):
        place: Any = DOCUMENT
        for step in reference.split("/"):
            place = place[step]
        assert place


def test_catalogue_of_reasons_is_whole() -> None:
    reasons = read_contract(DESCRIPTOR).reasons()

    assert {*reasons, "ERROR_REASON_UNSPECIFIED"} == set(error_reason_pb2.ErrorReason.keys())
    assert (reasons["IDEMPOTENCY_KEY_REUSED"].grpc_code, reasons["OVERLOADED"].http_status) == (
        9,
        429,
    )


@pytest.mark.parametrize(
    ("comment", "wanted"),
    [(" one\n line \n", "one line"), (" a\n\n b\n c", "a\n\nb c"), ("", "")],
)
def test_comment_loses_its_line_breaks(comment: str, wanted: str) -> None:
    assert reflow(comment) == wanted
