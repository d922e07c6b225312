"""Stripe's words about refunds and ours: statuses, refusals, events."""

import json
from typing import Any

import pytest
import stripe

from services.providers.adapters.kit.http import AnswerInvalid
from services.providers.adapters.stripe import refunds, translate
from services.providers.domain import Failure, Kind, Operation, Outcome
from services.shared.money import Money

OPERATION = Operation(
    provider="stripe",
    kind=Kind.REFUND,
    key="pay_1-refund-1",
    amount=Money(4_000, "USD"),
    transaction_id="pay_1",
    collection_reference="pi_1",
)


def refund(status: str, **changes: Any) -> dict[str, Any]:
    fields = {
        "id": "re_1",
        "status": status,
        "amount": 4_000,
        "currency": "usd",
        "payment_intent": "pi_1",
        "metadata": {"operation_key": OPERATION.key, "transaction_id": "pay_1"},
    }
    return {**fields, **changes}


def test_a_refund_is_asked_for_by_its_collection() -> None:
    assert refunds.create_params(OPERATION) == {
        "payment_intent": "pi_1",
        "amount": 4_000,
        "metadata": {"transaction_id": "pay_1", "operation_key": OPERATION.key},
    }


@pytest.mark.parametrize(
    ("answer", "outcome", "failure"),
    [
        (refund("succeeded"), Outcome.SUCCEEDED, None),
        (refund("pending"), Outcome.PENDING, None),
        (refund("requires_action"), Outcome.PENDING, None),
        (
            refund("failed", failure_reason="lost_or_stolen_card"),
            Outcome.FAILED,
            Failure("refund_failed", "lost_or_stolen_card"),
        ),
        (refund("canceled"), Outcome.FAILED, Failure("refund_canceled")),
        (
            refund("some_new_status"),
            Outcome.UNKNOWN,
            Failure("unknown_status", "the refund is some_new_status"),
        ),
        (
            refund("succeeded", amount=4_001),
            Outcome.UNKNOWN,
            Failure("amount_mismatch", "see re_1"),
        ),
        (refund("failed", currency="eur"), Outcome.UNKNOWN, Failure("amount_mismatch", "see re_1")),
        (
            refund("succeeded", payment_intent="pi_2"),
            Outcome.UNKNOWN,
            Failure("reference_mismatch", "see re_1"),
        ),
        (
            refund("failed", metadata={"operation_key": "other"}),
            Outcome.UNKNOWN,
            Failure("reference_mismatch", "see re_1"),
        ),
    ],
)
def test_every_status_has_its_outcome(
    answer: dict[str, Any], outcome: Outcome, failure: Failure | None
) -> None:
    result = refunds.read_refund(OPERATION, answer)

    assert (result.outcome, result.failure) == (outcome, failure)
    assert result.provider_reference == "re_1"
    assert (result.amount == OPERATION.amount) == (outcome is Outcome.SUCCEEDED)


@pytest.mark.parametrize("answer", [{}, {"object": "list"}, refund(""), refund("failed", id=7)])
def test_answer_that_is_not_a_refund_is_invalid(answer: dict[str, Any]) -> None:
    with pytest.raises(AnswerInvalid):
        refunds.read_refund(OPERATION, answer)


def refusal(status: int, **error: Any) -> stripe.InvalidRequestError:
    body = {"error": {"type": "invalid_request_error", **error}}
    return stripe.InvalidRequestError("no", None, None, json.dumps(body), status, body, {})


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (refusal(400, code="charge_already_refunded"), True),
        (refusal(400, code="amount_too_large", param="amount"), True),
        (refusal(400, param="amount"), True),
        (refusal(400, code="amount_too_large", param="currency"), False),
        (refusal(400, code="parameter_unknown", param="amount"), False),
        (refusal(400), False),
        (refusal(404, code="charge_already_refunded"), False),
        (stripe.InvalidRequestError("no", None, None, "", 400, {"error": ["no"]}, {}), False),
        (stripe.APIError("no", "", 500, {"error": {"code": "charge_already_refunded"}}, {}), False),
    ],
)
def test_only_listed_refusals_are_about_the_amount(error: Exception, refused: bool) -> None:
    wanted = refunds.EXCEEDS_COLLECTION if refused else ""
    assert refunds.refusal_of(error) == wanted


def test_a_disputed_charge_is_a_refusal_of_its_own() -> None:
    body = {"error": {"code": "charge_disputed"}}
    error = stripe.InvalidRequestError("no", None, None, "", 400, body, {})

    assert refunds.refusal_of(error) == refunds.DISPUTED
    assert refunds.DISPUTED in refunds.DEFINITIVE_FAILURES


def event(event_type: str, subject: object) -> bytes:
    return json.dumps({"id": "evt_1", "type": event_type, "data": {"object": subject}}).encode()


@pytest.mark.parametrize("event_type", ["refund.created", "refund.updated", "refund.failed"])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("succeeded", Outcome.SUCCEEDED),
        ("pending", Outcome.PENDING),
        ("failed", Outcome.FAILED),
        ("some_new_status", Outcome.UNKNOWN),
    ],
)
def test_a_refunds_event_names_the_operation(
    event_type: str, status: str, outcome: Outcome
) -> None:
    read = translate.read_event(event(event_type, refund(status)))

    assert (read.kind, read.outcome, read.key) == (Kind.REFUND, outcome, OPERATION.key)
    assert (read.transaction_id, read.provider_reference) == ("pay_1", "re_1")
    assert read.amount == OPERATION.amount
    assert bool(read.failure) == (outcome in (Outcome.FAILED, Outcome.UNKNOWN))


def test_a_refunded_charge_hints_at_the_payment_only() -> None:
    charge = {"id": "ch_1", "metadata": {"operation_key": "pay_1-c-1", "transaction_id": "pay_1"}}

    read = translate.read_event(event("charge.refunded", charge))

    assert (read.kind, read.outcome, read.key) == (Kind.REFUND, Outcome.UNKNOWN, "")
    assert (read.transaction_id, read.provider_reference) == ("pay_1", "")
