"""Opens the audit, on a connection of its own that reads whole tables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.payments.audit.checks import PostgresAudit
from services.payments.base.convert import decode_answer
from services.payments.base.database import opened_database
from services.shared.db import Address


@asynccontextmanager
async def opened_audit(
    url: Address, application: str, *, statement_seconds: int, overdue_seconds: float
) -> AsyncIterator[PostgresAudit]:
    """The audit of the database at this address."""
    async with opened_database(
        url, application, pool_size=1, statement_seconds=statement_seconds, reads_all=True
    ) as engine:
        yield PostgresAudit(engine, overdue_seconds=overdue_seconds, decode_answer=decode_answer)
