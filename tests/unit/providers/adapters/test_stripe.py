"""Stripe's words and ours: amounts, statuses, declines, refusals, and events."""

import json
from dataclasses import replace
from typing import Any

import pytest
import stripe

from services.providers.adapters.kit.http import AnswerInvalid
from services.providers.adapters.stripe import translate
from services.providers.adapters.stripe.amounts import from_stripe, to_stripe
from services.providers.domain import Failure, Kind, Operation, Outcome
from services.shared.deployment import Deployment
from services.shared.money import Money

OPERATION = Operation(
    provider="stripe",
    kind=Kind.COLLECTION,
    key="pay_1-collection-1",
    amount=Money(10_000, "USD"),
    transaction_id="pay_1",
)


def intent(status: str, **changes: Any) -> dict[str, Any]:
    received = 10_000 if status == "succeeded" else 0
    fields = {
        "id": "pi_1",
        "status": status,
        "amount": 10_000,
        "amount_received": received,
        "currency": "usd",
        "metadata": {"operation_key": OPERATION.key, "transaction_id": "pay_1"},
    }
    return {**fields, **changes}


@pytest.mark.parametrize(
    ("money", "amount"),
    [
        (Money(10_000, "USD"), 10_000),
        (Money(14_486, "JPY"), 14_486),
        (Money(500, "ISK"), 50_000),
        (Money(500, "UGX"), 50_000),
        (Money(500, "MGA"), 5),
        (Money(12_340, "KWD"), 12_340),
    ],
)
def test_amounts_are_in_stripes_own_smallest_unit_both_ways(money: Money, amount: int) -> None:
    assert to_stripe(money) == amount
    assert from_stripe(amount, money.currency.lower()) == money


def test_an_amount_that_stripe_cannot_express_is_not_rounded() -> None:
    with pytest.raises(ValueError, match="no smaller unit"):
        to_stripe(Money(501, "MGA"))
    assert from_stripe(50_001, "isk") is None


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (intent("succeeded"), Outcome.SUCCEEDED, None),
        (intent("processing"), Outcome.PENDING, None),
        (intent("canceled"), Outcome.FAILED, "canceled"),
        (intent("requires_action"), Outcome.UNKNOWN, "requires_action"),
        (intent("requires_capture"), Outcome.UNKNOWN, "requires_capture"),
        (intent("requires_confirmation"), Outcome.UNKNOWN, "requires_confirmation"),
        (intent("requires_payment_method"), Outcome.UNKNOWN, "requires_payment_method"),
        (
            intent("requires_payment_method", last_payment_error={"code": "expired_card"}),
            Outcome.FAILED,
            "expired_card",
        ),
        (intent("some_new_status"), Outcome.UNKNOWN, "unknown_status"),
        (intent("succeeded", amount_received=9_999), Outcome.UNKNOWN, "amount_mismatch"),
        (intent("canceled", amount_received=1), Outcome.UNKNOWN, "amount_mismatch"),
        (intent("succeeded", currency="eur"), Outcome.UNKNOWN, "amount_mismatch"),
        (intent("succeeded", metadata={}), Outcome.UNKNOWN, "reference_mismatch"),
    ],
)
def test_every_status_has_its_outcome(
    answer: dict[str, Any], outcome: Outcome, code: str | None
) -> None:
    result = translate.read_intent(OPERATION, answer)

    assert result.outcome is outcome
    assert (result.failure.code if result.failure else None) == code
    assert result.provider_reference == "pi_1"


def test_answer_that_is_not_an_intent_is_invalid() -> None:
    with pytest.raises(AnswerInvalid):
        translate.read_intent(OPERATION, {"object": "list"})


def card_error(**error: Any) -> stripe.CardError:
    body = {"error": {"type": "card_error", **error}}
    return stripe.CardError("", None, error.get("code"), json.dumps(body), 402, body, {})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "card_declined", "decline_code": "generic_decline"}, "card_declined"),
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, "insufficient_funds"),
        ({"code": "card_declined", "decline_code": "never_heard_of"}, "card_declined"),
        ({"code": "expired_card"}, "expired_card"),
        ({"code": "card_declined", "decline_code": "pickup_card"}, "stolen_card"),
        ({"code": "authentication_required"}, "authentication_required"),
        ({"code": "never_heard_of"}, "card_declined"),
        ({}, "card_declined"),
    ],
)
def test_a_decline_is_definitive_and_has_a_code_of_ours(error: dict[str, Any], code: str) -> None:
    result = translate.read_error(OPERATION, card_error(**error))

    assert result.outcome is Outcome.FAILED
    assert result.failure
    assert result.failure.code == code


def test_a_decline_of_an_intent_that_went_on_is_unknown() -> None:
    error = card_error(code="card_declined", payment_intent={"id": "pi_1", "status": "processing"})

    assert translate.read_error(OPERATION, error).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("code", "param", "outcome"),
    [
        ("amount_too_small", "amount", Outcome.FAILED),
        ("amount_too_large", "amount", Outcome.FAILED),
        ("resource_missing", "payment_method", Outcome.FAILED),
        ("resource_missing", "intent", Outcome.UNKNOWN),
        ("parameter_unknown", "confirm", Outcome.FAILED),
        ("never_heard_of", "confirm", Outcome.UNKNOWN),
        (None, None, Outcome.UNKNOWN),
    ],
)
def test_only_listed_refusals_are_definitive(
    code: str | None, param: str | None, outcome: Outcome
) -> None:
    body = {"error": {"type": "invalid_request_error", "code": code, "param": param}}
    error = stripe.InvalidRequestError("no", param, code, json.dumps(body), 400, body, {})

    assert translate.read_error(OPERATION, error).outcome is outcome
    # The same words in answer to a question say nothing about the operation.
    assert translate.ambiguous(OPERATION, error).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("http_status", [401, 402, 404, 409, 429, 500, 502])
def test_a_listed_refusal_is_definitive_with_status_400_only(http_status: int) -> None:
    body = {
        "error": {"type": "invalid_request_error", "code": "amount_too_small", "param": "amount"}
    }
    error = stripe.InvalidRequestError(
        "no", "amount", "amount_too_small", json.dumps(body), http_status, body, {}
    )

    assert translate.read_error(OPERATION, error).outcome is Outcome.UNKNOWN


def test_an_answer_that_is_no_error_object_is_unknown() -> None:
    error = stripe.APIError("boom", "<html>", 502, None, {})

    result = translate.read_error(OPERATION, error)

    assert result.failure == Failure("provider_fault", "Stripe answered 502 (no id)")


def event(event_type: str, subject: object) -> bytes:
    return json.dumps({"id": "evt_1", "type": event_type, "data": {"object": subject}}).encode()


@pytest.mark.parametrize(
    ("event_type", "outcome"),
    [
        ("payment_intent.succeeded", Outcome.SUCCEEDED),
        ("payment_intent.processing", Outcome.PENDING),
        ("payment_intent.canceled", Outcome.FAILED),
        ("payment_intent.payment_failed", Outcome.UNKNOWN),
    ],
)
def test_an_intents_event_names_the_operation(event_type: str, outcome: Outcome) -> None:
    read = translate.read_event(event(event_type, intent("succeeded")))

    assert (read.kind, read.outcome, read.key) == (Kind.COLLECTION, outcome, OPERATION.key)
    assert (read.transaction_id, read.provider_reference) == ("pay_1", "pi_1")
    assert read.amount == OPERATION.amount
    assert bool(read.failure) == (outcome is Outcome.FAILED)


@pytest.mark.parametrize(
    ("event_type", "subject"),
    [
        ("charge.succeeded", intent("succeeded")),
        ("refund.failed", {**intent("failed"), "metadata": None}),
        ("payment_intent.succeeded", {**intent("succeeded"), "metadata": {}}),
        ("payment_intent.succeeded", {**intent("succeeded"), "metadata": {"operation_key": 7}}),
        ("payment_intent.succeeded", "not an object"),
    ],
)
def test_a_genuine_event_about_none_of_ours_keeps_its_type_only(
    event_type: str, subject: object
) -> None:
    read = translate.read_event(event(event_type, subject))

    assert (read.event_type, read.kind, read.outcome) == (event_type, None, Outcome.UNKNOWN)
    assert (read.key, read.transaction_id) == ("", "")


def test_a_charge_is_asked_for_whole() -> None:
    params = translate.create_params(replace(OPERATION, reference="invoice 17"))

    assert params == {
        "amount": 10_000,
        "currency": "usd",
        "confirm": True,
        "off_session": True,
        "payment_method": "pm_card_visa",
        "allowed_payment_method_types": ["card"],
        "metadata": {"transaction_id": "pay_1", "operation_key": OPERATION.key},
        "description": "invoice 17",
    }


@pytest.mark.parametrize(
    ("deployment", "method", "code"),
    [
        (Deployment.SANDBOX, "", None),
        (Deployment.SANDBOX, "pm_card_visa", None),
        (Deployment.STAGING, "", "payment_method_missing"),
        (Deployment.STAGING, "pm_card_visa", None),
        (Deployment.LIVE, "", "payment_method_missing"),
        (Deployment.LIVE, "pm_card_visa", "payment_method_unknown"),
        (Deployment.LIVE, "pm_1NqLJK", None),
    ],
)
def test_a_card_stands_in_in_a_sandbox_and_a_test_card_is_none_where_it_is_live(
    deployment: Deployment, method: str, code: str | None
) -> None:
    operation = replace(OPERATION, payment_method=method)

    refusal = translate.refuse_payment_method(operation, deployment)

    assert (refusal and refusal.failure and refusal.failure.code) == code
