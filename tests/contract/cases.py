"""The facts that the contract suite needs of each adapter: an operation of its kind, one that it
refuses, and the form of its provider's own answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from aiohttp import web

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
    # An operation that its provider refuses definitively, and the code of the refusal.
    refused_by: Mapping[str, str]
    refusal_code: str
    # The effect in the simulator's book that stands for the operation.
    effect: str
    # The object in the provider's answer to a success, for a test to spoil.
    success: Callable[[Operation], Json]
    # A success answer with another amount or currency.
    amount_field: str
    other_currency: str
    # An error answer with this machine-readable code.
    error: Callable[[str], Json]
    # Where the object has its id, and what the provider puts around it.
    id_field: str = "id"
    wrap: Callable[[Json], Json] = lambda bare: bare
    # The same where the provider is asked for all that have our reference.
    wrap_found: Callable[[Json], Json] | None = None
    # A suffix that gives an amount a form that the provider never uses.
    malformed_by: float = 0.0

    def answer(self, bare: Json, request: web.Request) -> Json:
        """The object as the provider's whole answer to the request."""
        if self.wrap_found and "reference" in request.query:
            return self.wrap_found(bare)
        return self.wrap(bare)

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


def _transfer(operation: Operation) -> Json:
    return {
        "id": 14,
        "transfer_code": "TRF_1",
        "reference": operation.key,
        "amount": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "status": "success",
    }


def _flutterwave_transfer(operation: Operation) -> Json:
    return {
        "id": 190_626,
        "reference": operation.key,
        "amount": float(operation.amount.decimal),
        "currency": operation.amount.currency,
        "status": "SUCCESSFUL",
        "complete_message": "Transaction was successful",
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
    "paystack": Case(
        provider="paystack",
        kind=Kind.PAYOUT,
        amounts=(
            Money(14_486_050, "NGN"),
            Money(1, "ZAR"),
            Money(10**12, "NGN"),
            Money(99_999, "GHS"),
            Money(250_000, "KES"),
        ),
        refused_by={"reference": "invoice 17 sim:payout_fails"},
        refusal_code="payout_failed",
        effect="payout_accepted",
        success=_transfer,
        amount_field="amount",
        other_currency="EUR",
        error=lambda code: {
            "status": False,
            "message": "No.",
            "type": "validation_error",
            "code": code,
        },
        id_field="transfer_code",
        wrap=lambda transfer: {"status": True, "message": "Transfer retrieved", "data": transfer},
    ),
    "flutterwave": Case(
        provider="flutterwave",
        kind=Kind.PAYOUT,
        amounts=(
            Money(1_484_533, "NGN"),
            Money(1, "KES"),
            Money(14_486, "XAF"),
            Money(99_999_999_999_999, "NGN"),
            Money(30, "GHS"),
        ),
        refused_by={"reference": "invoice 17 sim:payout_fails"},
        refusal_code="recipient_invalid",
        effect="payout_accepted",
        success=_flutterwave_transfer,
        amount_field="amount",
        other_currency="EUR",
        error=lambda code: {"status": "error", "message": code, "data": None},
        wrap=lambda transfer: {"status": "success", "message": "Fetched", "data": transfer},
        wrap_found=lambda transfer: {"status": "success", "message": "Fetched", "data": [transfer]},
        # A whole amount may well come as 100.0; only a part of the smallest unit may not.
        malformed_by=0.001,
    ),
}
