"""The tables of payments, as SQLAlchemy knows them and alembic creates them. The merchant leads
every key, so that the schema could be spread by merchant; nothing needs an extension."""

from services.payments.base.tables.kit import MOVED, SET, metadata
from services.payments.base.tables.messages import (
    operator_actions,
    outbox,
    unreadable_rows,
    webhook_endpoints,
    webhook_inbox,
)
from services.payments.base.tables.money import (
    attempts,
    balances,
    disputes,
    idempotency_keys,
    merchants,
    payment_events,
    payments,
    postings,
    quotes,
    refunds,
)

__all__ = [
    "MOVED",
    "SET",
    "attempts",
    "balances",
    "disputes",
    "idempotency_keys",
    "merchants",
    "metadata",
    "operator_actions",
    "outbox",
    "payment_events",
    "payments",
    "postings",
    "quotes",
    "refunds",
    "unreadable_rows",
    "webhook_endpoints",
    "webhook_inbox",
]
