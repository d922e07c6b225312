"""PostgreSQL behind the ports: payments and quotes, the worker's transactions, the inbox, what
merchants are told and where, and the wake-up between processes. Statements are set-based, because
batches make the mesh fast."""

from services.payments.store.audit import PostgresAudit
from services.payments.store.endpoints import PostgresEndpoints
from services.payments.store.inbox import PostgresInbox
from services.payments.store.outbox import PostgresOutbox
from services.payments.store.payments import PostgresPayments
from services.payments.store.wake import Alarm
from services.payments.store.work import PostgresWork

__all__ = [
    "Alarm",
    "PostgresAudit",
    "PostgresEndpoints",
    "PostgresInbox",
    "PostgresOutbox",
    "PostgresPayments",
    "PostgresWork",
]
