"""PostgreSQL behind the ports: payments and quotes, the transactions of workers and operators, the
inbox, what merchants are told and where, and the wake-up between processes. Statements are
set-based, because batches are fast."""

from services.payments.store import wake
from services.payments.store.audit import PostgresAudit
from services.payments.store.endpoints import PostgresEndpoints
from services.payments.store.inbox import PostgresInbox
from services.payments.store.operations import PostgresOperations
from services.payments.store.outbox import PostgresOutbox
from services.payments.store.payments import PostgresPayments
from services.payments.store.readiness import DatabaseReadiness
from services.payments.store.wake import Alarm
from services.payments.store.watch import PostgresWatch
from services.payments.store.work import PostgresWork

__all__ = [
    "Alarm",
    "DatabaseReadiness",
    "PostgresAudit",
    "PostgresEndpoints",
    "PostgresInbox",
    "PostgresOperations",
    "PostgresOutbox",
    "PostgresPayments",
    "PostgresWatch",
    "PostgresWork",
    "wake",
]
