"""The nouns: an unknown result is never called a failure, and private data shows nowhere."""

from dataclasses import FrozenInstanceError

import pytest

from services.providers.domain import (
    Kind,
    Operation,
    Outcome,
    ProviderNotFound,
    Webhook,
    WebhookEvent,
    WebhookEventTypeUnknown,
    WebhookSignatureInvalid,
    WebhookTimestampOutOfRange,
    failed,
    unknown,
)
from services.shared.errors import DomainError, Invalid, NotAuthenticated, NotFound
from services.shared.money import Money
from services.shared.recipients import BankAccount, given_fields

ADA = BankAccount(holder_name="Ada Obi", account_number="+2348012", bank_code="044")


def operation() -> Operation:
    return Operation(
        provider="local_wallet",
        kind=Kind.PAYOUT,
        key="pay_1-payout-1",
        amount=Money(14_486, "JPY"),
        transaction_id="pay_1",
        recipient=ADA,
    )


def test_unknown_result_states_why() -> None:
    result = unknown("pay_1-payout-1", "timeout", "no answer in time", "lwp_1")

    assert (result.key, result.outcome) == ("pay_1-payout-1", Outcome.UNKNOWN)
    assert result.failure
    assert (result.failure.code, result.failure.message) == ("timeout", "no answer in time")
    assert (result.provider_reference, result.amount) == ("lwp_1", None)


def test_failed_result_states_why() -> None:
    result = failed("pay_1-payout-1", "insufficient_funds")

    assert result.outcome is Outcome.FAILED
    assert result.failure
    assert (result.failure.code, result.failure.message) == ("insufficient_funds", "")


def test_a_recipient_is_in_no_repr() -> None:
    shown = f"{ADA!r} {operation()!r} {operation()}"

    assert not [text for text in given_fields(ADA).values() if text in shown]


def test_a_webhooks_bytes_and_signature_are_in_no_repr() -> None:
    webhook = Webhook(headers={"stripe-signature": "t=1,v1=abcdef"}, body=b'{"name": "Ada Obi"}')

    assert "abcdef" not in repr(webhook)
    assert "Ada" not in repr(webhook)


def test_nothing_may_pass_unsigned_unless_it_is_said() -> None:
    assert not Webhook(headers={}, body=b"").allow_unsigned


def test_an_event_says_nothing_that_was_not_read_from_it() -> None:
    event = WebhookEvent(event_id="evt_1", event_type="customer.created")

    assert (event.kind, event.key, event.amount) == (None, "", None)
    assert event.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (ProviderNotFound, NotFound),
        (WebhookSignatureInvalid, NotAuthenticated),
        (WebhookTimestampOutOfRange, NotAuthenticated),
        (WebhookEventTypeUnknown, Invalid),
    ],
)
def test_each_refusal_has_its_kind_and_a_reason_of_its_own(
    refusal: type[DomainError], kind: type[DomainError]
) -> None:
    assert issubclass(refusal, kind)
    assert refusal.reason != kind.reason


def test_an_operation_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        operation().key = "another"  # type: ignore[misc]
