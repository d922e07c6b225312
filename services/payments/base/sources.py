"""How a row of each table is read. Postings and balances have none here: they are only summed."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Row

from services.payments.base import attempt_rows, dispute_rows, refund_rows, rows, tables
from services.payments.base.unreadable import Source
from services.payments.model.answer import Answer
from services.payments.model.attempt import Step
from services.payments.model.endpoint import Endpoint
from services.payments.model.operator import Operator, OperatorAction


def _read_endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        merchant_id=row.merchant_id,
        id=row.id,
        url=row.url,
        secret=row.secret,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def _read_action(row: Row[Any]) -> OperatorAction:
    return OperatorAction(
        id=row.id,
        operator=Operator(
            name=row.operator,
            note=row.note,
            credential_id=row.credential_id,
            address=row.address,
            request_id=row.request_id,
        ),
        action=row.action,
        subject=row.subject,
        acted_at=row.acted_at,
        merchant_id=row.merchant_id,
        refusal=row.refusal,
        provider_answer=row.provider_answer,
    )


def _read_kept(row: Row[Any]) -> Answer:
    """The answer of an event, which may be about no step that we know."""
    if row.step is not None:
        Step(row.step)
    if dispute_rows.DISPUTE in row.answer:
        dispute_rows.read_report(row.answer[dispute_rows.DISPUTE])
    return attempt_rows.read_answer(row.answer)


PAYMENTS = Source(tables.payments, rows.read_payment, payment="id")
EVENTS = Source(tables.payment_events, rows.read_event, payment="payment_id")
ATTEMPTS = Source(tables.attempts, attempt_rows.read_attempt, payment="payment_id")
REFUNDS = Source(tables.refunds, refund_rows.read_refund, payment="payment_id")
DISPUTES = Source(tables.disputes, dispute_rows.read_dispute, payment="payment_id")
QUOTES = Source(tables.quotes, rows.read_quote, payment="payment_id")
INBOX = Source(tables.webhook_inbox, _read_kept, payment="payment_id")
ENDPOINTS = Source(tables.webhook_endpoints, _read_endpoint)
ACTIONS = Source(tables.operator_actions, _read_action)
# One for each table that is read without help.
ALL: tuple[Source[Any], ...] = (
    PAYMENTS,
    EVENTS,
    ATTEMPTS,
    REFUNDS,
    DISPUTES,
    QUOTES,
    INBOX,
    ENDPOINTS,
    ACTIONS,
)


def answers(decode: Callable[[str, bytes], object]) -> Source[object]:
    """The answers that idempotency keys keep, which only their maker can read."""
    return Source(
        tables.idempotency_keys,
        lambda row: decode(row.operation, row.response),
        payment="payment_id",
    )
