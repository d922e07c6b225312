"""A part of the audit: the same statements over the newest payments and over some of the others in
turn. It costs the same however many payments there are, and in time it comes by all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import tables
from services.payments.base.columns import columns

FIRST = UUID(int=0)
# Only over everything: no index leads from a payment to these rows, or they belong to none.
WHOLE_ONLY = frozenset(
    {
        "every balance is the sum of its postings",
        "every payment has one key that created it, and every key a payment",
        "the chain of operators' actions is whole",
    }
)
# Ids grow with time. The names hide the tables, so that a statement sees this part of each.
SIGHT = f"""
    WITH payments AS (
        SELECT {columns(tables.payments)} FROM payments
         WHERE id > :newest OR id > :after AND id <= :until
    ), attempts AS (
        SELECT {columns(tables.attempts, "a")} FROM payments p
          JOIN attempts a ON a.merchant_id = p.merchant_id AND a.payment_id = p.id
    ), refunds AS (
        SELECT {columns(tables.refunds, "f")} FROM payments p
          JOIN refunds f ON f.merchant_id = p.merchant_id AND f.payment_id = p.id
    ), disputes AS (
        SELECT {columns(tables.disputes, "d")} FROM payments p
          JOIN disputes d ON d.merchant_id = p.merchant_id AND d.payment_id = p.id
    ), payment_events AS (
        SELECT {columns(tables.payment_events, "e")} FROM payments p
          JOIN payment_events e ON e.merchant_id = p.merchant_id AND e.payment_id = p.id
    ), postings AS (
        SELECT {columns(tables.postings, "t")} FROM payments p
          JOIN postings t ON t.merchant_id = p.merchant_id AND t.payment_id = p.id
    ), adjustments AS (
        SELECT {columns(tables.adjustments, "j")} FROM payments p
          JOIN adjustments j ON j.merchant_id = p.merchant_id AND j.payment_id = p.id
    ), quotes AS (
        SELECT {columns(tables.quotes, "q")} FROM payments p
          JOIN quotes q ON q.merchant_id = p.merchant_id AND q.id = p.quote_id
    ), webhook_inbox AS (
        SELECT {columns(tables.webhook_inbox, "w")} FROM payments p
          JOIN webhook_inbox w ON w.merchant_id = p.merchant_id AND w.payment_id = p.id
         WHERE w.state = 'PENDING'
    ), outbox AS (
        SELECT {columns(tables.outbox, "o")} FROM payments p
          JOIN outbox o ON o.merchant_id = p.merchant_id AND o.payment_id = p.id
    )
"""
_NEWEST = text("SELECT id FROM payments ORDER BY id DESC OFFSET :size LIMIT 1")
_UNTIL = text(
    """
    SELECT id FROM (SELECT id FROM payments WHERE id > :after ORDER BY id LIMIT :size) AS following
     ORDER BY id DESC LIMIT 1
    """
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """The payments newer than one, and those after another until a third."""

    newest: UUID
    after: UUID
    until: UUID

    @property
    def is_all(self) -> bool:
        """Whether there are no more payments than that."""
        return self.newest == FIRST

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of SIGHT."""
        return {"newest": self.newest, "after": self.after, "until": self.until}


async def part_after(connection: AsyncConnection, last: UUID, size: int) -> Part:
    """So many of the newest, and so many after the last one that was looked at, or the first."""
    newest = (await connection.execute(_NEWEST, {"size": size})).scalar_one_or_none()
    for after in (last, FIRST):
        wanted = {"after": after, "size": size}
        until = (await connection.execute(_UNTIL, wanted)).scalar_one_or_none()
        if until is not None:
            return Part(newest=newest or FIRST, after=after, until=until)
    return Part(newest=FIRST, after=FIRST, until=FIRST)
