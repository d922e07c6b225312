"""Attempts and providers' answers to rows and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.payments.base.condition_rows import read_route
from services.payments.base.rows import read_money
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.payment import Failure
from services.shared.money import Money
from services.shared.recipients import from_row


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """A row of `attempts`, but for when it was sent, which the database's clock says."""
    return {
        "merchant_id": attempt.merchant_id,
        "payment_id": attempt.payment_id,
        "step": attempt.step,
        "number": attempt.number,
        "provider": attempt.provider,
        "key": attempt.key,
        "amount_minor": attempt.amount.amount_minor,
        "currency": attempt.amount.currency,
        "state": attempt.state,
        "provider_reference": attempt.provider_reference,
        "inconclusive_count": attempt.inconclusive_count,
        "failure_code": attempt.failure.code if attempt.failure else None,
        "failure_message": attempt.failure.message if attempt.failure else None,
        "moved_minor": attempt.moved.amount_minor if attempt.moved else None,
        "moved_currency": attempt.moved.currency if attempt.moved else None,
        "refund_number": attempt.refund,
    }


def read_attempt(row: Row[Any]) -> Attempt:
    """Reads a row of `attempts`. Raises where a value is none that the code knows."""
    failed = row.failure_code is not None
    return Attempt(
        merchant_id=row.merchant_id,
        payment_id=row.payment_id,
        step=Step(row.step),
        number=row.number,
        provider=row.provider,
        key=row.key,
        amount=read_money(row, "amount_minor", "currency"),
        state=AttemptState(row.state),
        provider_reference=row.provider_reference,
        sent_at=row.sent_at,
        last_sent_at=row.last_sent_at,
        leaves_until=row.leaves_until,
        sends=row.sends,
        unknown_since=row.unknown_since,
        inconclusive_count=row.inconclusive_count,
        failure=Failure(code=row.failure_code, message=row.failure_message) if failed else None,
        moved=read_money(row, "moved_minor", "moved_currency") if row.moved_currency else None,
        recipient=from_row(row.recipient) if row.recipient is not None else None,
        route=read_route(row.route) if row.route is not None else None,
        refund=row.refund_number,
    )


def answer_row(answer: Answer) -> dict[str, Any]:
    """An answer as the inbox keeps it."""
    return {
        "outcome": answer.outcome,
        "provider_reference": answer.provider_reference,
        "amount_minor": answer.amount.amount_minor if answer.amount else None,
        "currency": answer.amount.currency if answer.amount else None,
        "failure_code": answer.failure.code if answer.failure else None,
        "failure_message": answer.failure.message if answer.failure else None,
        "actor": answer.actor,
        "event_id": answer.event_id,
        "key": answer.key,
        "signed": answer.signed,
        "occurred_at": answer.occurred_at.isoformat() if answer.occurred_at else None,
    }


def read_answer(kept: Mapping[str, Any]) -> Answer:
    """The answer that the inbox kept."""
    occurred_at = kept.get("occurred_at")
    return Answer(
        outcome=Outcome(kept["outcome"]),
        provider_reference=kept["provider_reference"],
        amount=Money(kept["amount_minor"], kept["currency"]) if kept["currency"] else None,
        failure=(
            Failure(code=kept["failure_code"], message=kept["failure_message"])
            if kept["failure_code"]
            else None
        ),
        actor=kept["actor"],
        event_id=kept["event_id"],
        key=kept.get("key", ""),
        signed=kept.get("signed", False),
        occurred_at=datetime.fromisoformat(occurred_at) if occurred_at else None,
    )
