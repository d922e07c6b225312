"""What the contract suite must know of each adapter: an operation of its kind, one that it refuses,
and what its provider's own answers look like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from services.providers.domain import Kind, Operation, OperationResult
from services.providers.ports import Adapter, Offramp, Onramp
from services.shared.money import Money

_numbers = count(1)
Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One adapter's facts."""

    provider: str
    kind: Kind
    amounts: tuple[Money, ...]
    # What makes its provider refuse for good, and the code that the refusal then has.
    refused_by: Mapping[str, str]
    refusal_code: str
    # The effect in the simulator's book that stands for the operation.
    effect: str
    # The provider's answer to a success, for a test to spoil.
    success: Callable[[Operation], Json]
    # A success answer with another amount or currency.
    amount_field: str
    other_currency: str
    # An error answer with this machine-readable code.
    error: Callable[[str], Json]

    def operation(self, **changes: Any) -> Operation:
        """A fresh operation."""
        number = next(_numbers)
        operation = Operation(
            provider=self.provider,
            kind=self.kind,
            key=f"pay_{number:026d}-{self.kind.value}-1",
            amount=self.amounts[0],
            transaction_id=f"pay_{number:026d}",
            reference="invoice 17",
        )
        return replace(operation, **changes)


async def send(adapter: Adapter, operation: Operation) -> OperationResult:
    """Sends an operation by the method of its kind."""
    if operation.kind is Kind.COLLECTION:
        assert isinstance(adapter, Onramp)
        return await adapter.start_collection(operation)
    assert isinstance(adapter, Offramp)
    return await adapter.send_payout(operation)


def _intent(operation: Operation) -> Json:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": operation.amount.amount_minor,
        "amount_received": operation.amount.amount_minor,
        "currency": operation.amount.currency.lower(),
        "status": "succeeded",
        "metadata": {
            "operation_key": operation.key,
            "transaction_id": operation.transaction_id,
        },
        # So that the same body also is a search result, for a look-up.
        "data": [{"id": "pi_1"}],
    }


def _payout(operation: Operation) -> Json:
    return {
        "id": "lwp_1",
        "reference": operation.key,
        "amount_minor": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "status": "completed",
    }


CASES = {
    "stripe": Case(
        provider="stripe",
        kind=Kind.COLLECTION,
        amounts=tuple(Money(minor, "USD") for minor in (10_000, 50, 1_999, 99_999_999)),
        refused_by={"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"},
        refusal_code="insufficient_funds",
        effect="charge_succeeded",
        success=_intent,
        amount_field="amount",
        other_currency="eur",
        error=lambda code: {
            "error": {"type": "invalid_request_error", "code": code, "message": "No."}
        },
    ),
    "local_wallet": Case(
        provider="local_wallet",
        kind=Kind.PAYOUT,
        amounts=(
            Money(184_223, "MXN"),
            Money(1, "INR"),
            Money(14_486, "JPY"),
            Money(10**15, "NGN"),
        ),
        refused_by={"reference": "invoice 17 sim:payout_fails"},
        refusal_code="recipient_unreachable",
        effect="payout_accepted",
        success=_payout,
        amount_field="amount_minor",
        other_currency="EUR",
        error=lambda code: {"error": {"code": code, "message": "No."}},
    ),
}
