"""The audit: what must be true of the database at every moment, as statements that find whatever is
not, and the figures that explain it. The statements recompute from what was recorded first and
trust nothing that was derived from it."""

from services.payments.store.audit.checks import COMPUTABLE, INVARIANTS, READABLE, PostgresAudit
from services.payments.store.audit.report import (
    Accounts,
    Backlog,
    Balance,
    Finding,
    Flow,
    Held,
    Report,
    Suspended,
    Waits,
)

__all__ = [
    "COMPUTABLE",
    "INVARIANTS",
    "READABLE",
    "Accounts",
    "Backlog",
    "Balance",
    "Finding",
    "Flow",
    "Held",
    "PostgresAudit",
    "Report",
    "Suspended",
    "Waits",
]
