"""ADJUST_PAYMENT: a posting that two people agree on. It is decided like any verb on a payment, and
its approval keeps the adjustment with its proposal beside the posting."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.waiting import release
from services.payments.model.adjustment import Adjusted, Adjustment
from services.payments.model.causes import Cause
from services.payments.model.operator import Operator
from services.payments.model.payment import Payment
from services.payments.operators.proposal import Proposal
from services.shared.money import Money


class AdjustmentRows(Protocol):
    """The adjustments, within a transaction."""

    async def of(self, merchant_id: str, payment_id: UUID) -> Adjusted:
        """The facts of a payment on which an adjustment depends."""
        ...

    async def add(self, payment: Payment, wanted: Adjustment, proposal: Proposal) -> None:
        """Keeps one that was posted with the payment's last event."""
        ...


def adjustment_of(arguments: Mapping[str, Any]) -> Adjustment:
    """The adjustment that a proposal has kept."""
    return Adjustment(
        debit=arguments["debit"],
        credit=arguments["credit"],
        amount=Money(arguments["amount_minor"], arguments["currency"]),
        evidence=arguments["evidence"],
    )


def adjust(work: Work, operator: Operator, wanted: Adjustment, adjusted: Adjusted) -> Change:
    """The posting; nothing else about the payment changes, and it is due as before.

    Raises AdjustmentUnbalanced, AccountNotAdjustable, PaymentNotAdjustable, AdjustmentExists,
    AdjustmentTooLarge.
    """
    wanted.check()
    adjusted.check_open()
    adjusted.check(wanted)
    amount = f"{wanted.amount} {wanted.amount.currency}"
    payment, event = work.payment.noted(actor=operator.actor, cause=Cause.ADJUSTED, amount=amount)
    return replace(
        release(work, due_in=adjusted.due_in),
        payment=payment,
        events=(event,),
        postings=(wanted.posting,),
    )
