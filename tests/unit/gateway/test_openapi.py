"""The OpenAPI document: valid, whole, and enough to send a request without typing."""

import re
from typing import Any

import jsonschema_rs
import pytest
from caravel.common.v1 import error_reason_pb2
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.contract import SERVED, Listener, read_contract, reflow, verb_and_path
from gateway.openapi import DESCRIPTOR, document
from services.shared.contract import PrincipalKind, scopes_of

DOCUMENTS = {listener: document(DESCRIPTOR, listener) for listener in Listener}
DOCUMENT = DOCUMENTS[Listener.PUBLIC]
CREATE = DOCUMENT["paths"]["/api/payments"]["post"]
SCHEMAS = DOCUMENT["components"]["schemas"]


def operations(*listeners: Listener) -> dict[str, Any]:
    return {
        f"{verb.upper()} {path}": operation
        for listener in listeners or Listener
        for path, item in DOCUMENTS[listener]["paths"].items()
        for verb, operation in item.items()
    }


def body_of(response: dict[str, Any]) -> Any:
    return response["content"]["application/json"]["schema"]


@pytest.mark.parametrize("listener", Listener)
def test_document_is_valid(listener: Listener) -> None:
    OpenAPIV31SpecValidator(DOCUMENTS[listener]).validate()


def test_every_call_from_outside_is_on_the_one_listener_of_its_principal() -> None:
    for listener in Listener:
        served = read_contract(DESCRIPTOR).served_by(listener)
        principals = {served.access(method).principal for _, method, _ in served.bindings()}
        assert principals
        assert principals <= SERVED[listener]
    assert len(operations()) == sum(len(operations(listener)) for listener in Listener)
    assert {len(list(read_contract(DESCRIPTOR).bindings()))} == {len(operations())}
    assert {path.startswith("/api/admin/") for path in DOCUMENT["paths"]} == {False}


def test_only_merchants_are_sent_webhooks() -> None:
    assert "webhooks" not in DOCUMENTS[Listener.OPERATORS]


def test_every_public_call_is_described() -> None:
    bindings = read_contract(DESCRIPTOR).bindings()
    assert set(operations()) == {" ".join(verb_and_path(rule)) for _, _, rule in bindings}
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
    left = {"ratelimit", "ratelimit-policy"}
    assert set(responses["201"]["headers"]) == {"x-request-id", "idempotent-replayed", *left}
    assert left <= set(responses["429"]["headers"])
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


def test_a_recipient_has_exactly_one_kind() -> None:
    request = {
        "user_id": "0b8f6f0e-8a53-4f0c-9d7b-2d7c1f6a4e11",
        "amount_usd": "1.00",
        "destination_currency": "INR",
    }
    check = jsonschema_rs.Draft202012Validator(
        {"$ref": "#/components/schemas/CreatePaymentRequest", "components": DOCUMENT["components"]}
    )
    wallet = {"holder_name": "Asha Rao", "wallet_id": "wallet-0003"}

    taken = [{"wallet": wallet}, {"bank_account": {"holder_name": "Asha Rao"}}]
    refused: list[object] = [
        {},
        {"wallet": wallet, "bank_account": {}},
        {"card": {}},
        "wallet-0003",
    ]

    assert check.is_valid(request)
    assert [check.is_valid({**request, "recipient": one}) for one in taken] == [True, True]
    assert not any(check.is_valid({**request, "recipient": one}) for one in refused)


def test_every_oneof_of_the_contract_is_one_in_the_schemas() -> None:
    contract = read_contract(DESCRIPTOR)
    groups = {
        (name, field.oneof_index)
        for name, message in contract.messages.items()
        for field in message.field
        if field.HasField("oneof_index") and not field.proto3_optional
    }
    shown = {
        name: [choice["oneOf"] for choice in schema.get("allOf", ())]
        for name, schema in SCHEMAS.items()
    }

    for name, number in groups:
        fields = [one for one in contract.messages[name].field if one.oneof_index == number]
        short = ".".join(part for part in name.split(".") if not part[0].islower())
        if short in shown:
            assert [{"required": [one.name]} for one in fields] in [
                [branch for branch in choice if "not" not in branch] for choice in shown[short]
            ]
    assert shown["Recipient"]


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
    reused, overloaded = reasons["IDEMPOTENCY_KEY_REUSED"].usual, reasons["OVERLOADED"].usual
    assert (reused.grpc_code, reused.http_status, reused.retry_after_seconds) == (9, 422, 0)
    assert (overloaded.grpc_code, overloaded.http_status) == (8, 429)
    assert overloaded.retry_after_seconds == 1


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("POST /api/payments", "payments:write"),
        ("GET /api/payments", "payments:read"),
        ("POST /api/payments/{transaction_id}/refunds", "refunds:write"),
        ("POST /api/admin/payments/{transaction_id}:release", "operate:propose"),
        ("GET /api/admin/operator-actions", "audit:read"),
    ],
)
def test_an_operation_names_the_scope_that_it_needs_where_a_credential_is_needed(
    name: str, scope: str
) -> None:
    # A sandbox needs none: the first requirement is empty.
    wanted = [{}, {"bearer": [scope]}, {"api_key": [scope]}]
    if "/admin/" not in name:
        wanted.append({"oauth2": [scope]})

    assert operations()[name]["security"] == wanted


def test_a_merchant_gets_tokens_by_client_credentials() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    flow = schemes["oauth2"]["flows"]["clientCredentials"]

    assert f"POST {flow['tokenUrl']}" in operations(Listener.PUBLIC)
    assert set(flow["scopes"]) == scopes_of(PrincipalKind.MERCHANT)
    assert all(flow["scopes"].values())
    assert "oauth2" not in DOCUMENTS[Listener.OPERATORS]["components"]["securitySchemes"]


def test_only_events_tokens_and_leak_reports_need_no_credential() -> None:
    without = {name for name, operation in operations().items() if "security" not in operation}

    assert without == {
        *("POST /api/webhooks", "POST /api/webhooks/{provider}"),
        *("POST /oauth/token", "GET /.well-known/jwks.json"),
        *("GET /.well-known/oauth-authorization-server", "POST /api/leaked-keys"),
    }


def test_every_scheme_that_an_operation_names_is_declared() -> None:
    named = {
        scheme
        for operation in operations().values()
        for requirement in operation.get("security", [])
        for scheme in requirement
    }

    assert named == DOCUMENT["components"]["securitySchemes"].keys()


def test_every_reason_that_any_operation_can_have_is_answered_with_its_status() -> None:
    """The native listener alone refuses with the others, and an unknown path is no operation's."""
    stated = set()
    for operation in operations().values():
        for status, response in operation["responses"].items():
            description = followed(response)["description"]
            for reason in re.findall(r"^- `([A-Z_]+)`", description, re.MULTILINE):
                stated.add((reason, int(status)))
    catalogue = read_contract(DESCRIPTOR).answers()

    assert set(catalogue) - {reason for reason, _ in stated} == {
        *("ROUTE_NOT_FOUND", "REQUEST_TOO_SLOW", "MESSAGE_MISSING", "MESSAGE_SURPLUS"),
        *("METHOD_UNKNOWN", "HEALTH_UNKNOWN", "SERVICE_NOT_ALLOWED"),
        # Of fees and fx to payments, which sends the files and asks again.
        "CORRIDORS_VERSION_UNKNOWN",
    }
    assert stated <= {
        (reason, answer.http_status)
        for reason, answers in catalogue.items()
        for answer in answers.values()
    }


def followed(response: dict[str, Any]) -> dict[str, Any]:
    name = response.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = DOCUMENT["components"]["responses"][name] if name else response
    return found


def test_a_merchants_endpoint_is_sent_a_signed_event() -> None:
    request = DOCUMENT["webhooks"]["payment"]["post"]

    body = request["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/WebhookEvent"}
    assert SCHEMAS["WebhookEvent"]["properties"]["data"]["$ref"] == "#/components/schemas/Payment"
    headers = {one["$ref"].rpartition("/")[2] for one in request["parameters"]}
    assert headers == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert {"2XX", "410", "default"} == request["responses"].keys()


@pytest.mark.parametrize(
    ("comment", "wanted"),
    [(" one\n line \n", "one line"), (" a\n\n b\n c", "a\n\nb c"), ("", "")],
)
def test_comment_loses_its_line_breaks(comment: str, wanted: str) -> None:
    assert reflow(comment) == wanted
