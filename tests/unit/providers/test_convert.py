"""The wire and the domain: nothing is lost, and a malformed part is a result of its own."""

from datetime import timedelta

import pytest
from caravel.common.v1 import money_pb2, recipient_pb2
from caravel.providers.v1 import providers_pb2
from google.protobuf import duration_pb2, timestamp_pb2

from services.providers import convert
from services.providers.domain import Kind, Outcome, not_sent, unknown
from services.shared.recipients import BankAccount, MobileMoney


def message(**changes: object) -> providers_pb2.Operation:
    fields: dict[str, object] = {
        "provider": "stripe",
        "kind": providers_pb2.OperationKind.COLLECTION,
        "key": "pay_1-collection-1",
        "amount": money_pb2.Money(currency_code="USD", amount_minor=10_000),
        "transaction_id": "pay_1",
    }
    return providers_pb2.Operation(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_whole_operation_arrives_whole() -> None:
    whole = message(
        kind=providers_pb2.OperationKind.PAYOUT,
        reference="invoice 17",
        payment_method="pm_card_visa",
        recipient=recipient_pb2.Recipient(
            mobile_money={"holder_name": "Ada", "phone_number": "+2348", "operator": "MTN"}
        ),
        provider_reference="lwp_1",
        trace_id="a" * 32,
    )

    [operation], malformed = convert.to_operations([whole])

    assert malformed == []
    assert (operation.kind, operation.amount.amount_minor) == (Kind.PAYOUT, 10_000)
    assert operation.recipient == MobileMoney(
        holder_name="Ada", phone_number="+2348", operator="MTN"
    )
    assert (operation.reference, operation.provider_reference) == ("invoice 17", "lwp_1")
    assert (operation.payment_method, operation.trace_id) == ("pm_card_visa", "a" * 32)


def test_a_recipients_data_is_in_no_repr() -> None:
    account = {"holder_name": "Ada", "account_number": "069", "account_type": "SAVINGS"}
    recipient = recipient_pb2.Recipient(bank_account=account)  # type: ignore[arg-type]

    [operation], _ = convert.to_operations([message(recipient=recipient)])

    assert isinstance(operation.recipient, BankAccount)
    assert operation.recipient.account_type == "SAVINGS"
    assert not [text for text in account.values() if text in repr(operation)]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": providers_pb2.OperationKind.OPERATION_KIND_UNSPECIFIED},
        {"kind": 99},
        {"key": ""},
        {"key": "x' OR metadata['a']:'b"},
        {"key": "x" * 81},
        {"key": "pay_1\n"},
        {"transaction_id": ""},
        {"amount": money_pb2.Money(currency_code="USD")},
        {"amount": money_pb2.Money(currency_code="USD", amount_minor=-1)},
        {"amount": money_pb2.Money(currency_code="ZZZ", amount_minor=1)},
        {"amount": money_pb2.Money(currency_code="USD", amount_minor=2**62)},
    ],
)
def test_a_malformed_operation_is_its_own_result(changes: dict[str, object]) -> None:
    operations, malformed = convert.to_operations([message(**changes), message()])

    assert len(operations) == 1
    [result] = malformed
    assert result.outcome is Outcome.UNKNOWN
    assert result.failure
    assert result.failure.code == "operation_invalid"


@pytest.mark.parametrize(
    ("duration", "timeout"),
    [
        (duration_pb2.Duration(), None),
        (duration_pb2.Duration(seconds=-1), None),
        (duration_pb2.Duration(nanos=500_000_000), timedelta(milliseconds=500)),
        (duration_pb2.Duration(seconds=2**40), timedelta(days=1)),
    ],
)
def test_any_duration_is_a_timeout_or_none(
    duration: duration_pb2.Duration, timeout: timedelta | None
) -> None:
    request = providers_pb2.ExecuteRequest(operation_timeout=duration)

    assert convert.to_timeout(request) == timeout


def test_retry_time_crosses_the_wire() -> None:
    asked = unknown("pay_1-payout-1", "rate_limited", retry_after_seconds=30)
    refused = not_sent("pay_1-payout-1", "rate_capped", retry_after_seconds=5)

    assert convert.from_result(asked).retry_after_seconds == 30
    assert convert.from_result(refused).retry_after_seconds == 5
    assert convert.from_result(unknown("pay_1-payout-1", "timeout")).retry_after_seconds == 0


def test_every_outcome_has_its_wire_name() -> None:
    names = {outcome.name for outcome in Outcome}

    assert names == set(providers_pb2.Outcome.keys()) - {"OUTCOME_UNSPECIFIED"}


@pytest.mark.parametrize(
    ("stated", "understood"),
    [
        (None, None),
        (timestamp_pb2.Timestamp(seconds=60, nanos=1_999), "1970-01-01T00:01:00.000001+00:00"),
        (timestamp_pb2.Timestamp(seconds=-(2**63), nanos=-1), "1969-12-31T23:59:59.999999+00:00"),
        (timestamp_pb2.Timestamp(seconds=2**63 - 1), "9999-01-01T00:00:00+00:00"),
        (
            timestamp_pb2.Timestamp(seconds=2**63 - 1, nanos=2**31 - 1),
            "9999-01-01T00:00:02.147483+00:00",
        ),
    ],
)
def test_any_moment_before_which_to_send_is_a_moment_of_the_calendar(
    stated: timestamp_pb2.Timestamp | None, understood: str | None
) -> None:
    moment = convert.to_send_before(providers_pb2.ExecuteRequest(send_before=stated))

    assert (moment.isoformat() if moment else None) == understood
