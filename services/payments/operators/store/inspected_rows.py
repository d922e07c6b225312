"""How operators are shown rows that nothing else reads one by one: postings, received events, those
on their way to merchants, and proposals."""

from typing import Any

from sqlalchemy import Row

from services.payments.base import tables
from services.payments.base.rows import read_money
from services.payments.base.unreadable import Source
from services.payments.model.ledger import Posting
from services.payments.operators.inspected import Delivery, Received, RecordedPosting
from services.payments.operators.replay_ports import DeliveryKey
from services.payments.operators.store.proposals import read_proposal


def _read_posting(row: Row[Any]) -> RecordedPosting:
    return RecordedPosting(
        sequence=row.sequence,
        position=row.position,
        posting=Posting(
            debit=row.debit,
            credit=row.credit,
            amount=read_money(row, "amount_minor", "currency"),
            cause=row.cause,
        ),
        posted_at=row.posted_at,
    )


def _read_received(row: Row[Any]) -> Received:
    # It may be shown because its answer cannot be read.
    answer = row.answer if isinstance(row.answer, dict) else {}
    return Received(
        provider=row.provider,
        event_id=row.event_id,
        event_type=row.event_type,
        step=row.step or "",
        state=row.state,
        received_at=row.received_at,
        failures=row.failures,
        last_error=row.last_error or "",
        outcome=str(answer.get("outcome", "")),
        signed=answer.get("signed") is True,
    )


def _read_delivery(row: Row[Any]) -> Delivery:
    key = DeliveryKey(
        payment_id=row.payment_id,
        sequence=row.sequence,
        position=row.position,
        endpoint_id=row.endpoint_id,
    )
    return Delivery(
        endpoint=row.endpoint_id,
        sequence=row.sequence,
        event_type=row.event_type,
        state=row.state,
        failures=row.failures,
        last_error=row.last_error or "",
        due_at=row.due_at,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
        delivery_id=key.delivery_id,
    )


POSTINGS = Source(tables.postings, _read_posting, payment="payment_id")
RECEIVED = Source(tables.webhook_inbox, _read_received, payment="payment_id")
DELIVERIES = Source(tables.outbox, _read_delivery, payment="payment_id")
PROPOSALS = Source(tables.proposals, read_proposal)
