"""The tables of payments, as SQLAlchemy knows them and alembic creates them. The merchant leads
every key, so that the schema could be spread by merchant; nothing needs an extension."""

from services.payments.base.tables.corridors import corridor_versions
from services.payments.base.tables.credentials import (
    api_keys,
    credential_version,
    merchants,
    operator_keys,
)
from services.payments.base.tables.kit import MOVED, SET, metadata
from services.payments.base.tables.marks import database_mark
from services.payments.base.tables.messages import (
    event_lists,
    operator_action_chain,
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
    payment_events,
    payments,
    postings,
    quotes,
    refunds,
)
from services.payments.base.tables.pauses import pauses
from services.payments.base.tables.proposals import adjustments, proposals, rate_overrides
from services.payments.base.tables.recoveries import recovered_payments, recoveries

__all__ = [
    "MOVED",
    "SET",
    "adjustments",
    "api_keys",
    "attempts",
    "balances",
    "corridor_versions",
    "credential_version",
    "database_mark",
    "disputes",
    "event_lists",
    "idempotency_keys",
    "merchants",
    "metadata",
    "operator_action_chain",
    "operator_actions",
    "operator_keys",
    "outbox",
    "pauses",
    "payment_events",
    "payments",
    "postings",
    "proposals",
    "quotes",
    "rate_overrides",
    "recovered_payments",
    "recoveries",
    "refunds",
    "unreadable_rows",
    "webhook_endpoints",
    "webhook_inbox",
]
