"""Adjustments on PostgreSQL, within the transaction of an operator. Each row names its approved
proposal; nobody changes one, and the same one cannot be kept twice."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import tables
from services.payments.model.adjustment import CAUSE, Adjusted, Adjustment
from services.payments.model.payment import Payment
from services.payments.operators.proposal import Proposal
from services.shared.money import Money

_TABLE = tables.adjustments
_SIDES = text(
    f"""
    SELECT s.account, t.cause = '{CAUSE}' AS is_adjusted, sum(s.amount) AS amount_minor
      FROM postings t
     CROSS JOIN LATERAL (VALUES (t.debit, CAST(t.amount_minor AS numeric)),
                                (t.credit, -CAST(t.amount_minor AS numeric))) AS s(account, amount)
     WHERE t.merchant_id = :merchant_id AND t.payment_id = :payment_id
     GROUP BY 1, 2
    """
)
# Its money may still move, or be known to have moved.
_STANDS = text(
    """
    SELECT extract(epoch FROM p.due_at - now())::float8 AS due_in_seconds,
           (SELECT a.key FROM attempts a
             WHERE a.merchant_id = p.merchant_id AND a.payment_id = p.id
               AND a.state IN ('SENT', 'ACCEPTED', 'UNKNOWN') ORDER BY a.key LIMIT 1) AS open_key
      FROM payments p WHERE p.merchant_id = :merchant_id AND p.id = :payment_id
    """
)


class AdjustmentRows:
    """The port of the same name."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of(self, merchant_id: str, payment_id: UUID) -> Adjusted:
        """See AdjustmentRows.of."""
        column = _TABLE.c
        query = select(_TABLE).where(
            column.merchant_id == merchant_id, column.payment_id == payment_id
        )
        rows = (await self._connection.execute(query)).all()
        standing = await self.standing(merchant_id, payment_id)
        return replace(standing, made={read_adjustment(row): row.proposal_id for row in rows})

    async def standing(self, merchant_id: str, payment_id: UUID) -> Adjusted:
        """The same, without the adjustments themselves."""
        named = {"merchant_id": merchant_id, "payment_id": payment_id}
        own, adjusted = Counter[str](), Counter[str]()
        for row in await self._connection.execute(_SIDES, named):
            (adjusted if row.is_adjusted else own)[row.account] += int(row.amount_minor)
        stands = (await self._connection.execute(_STANDS, named)).one()
        due_in = stands.due_in_seconds
        return Adjusted(
            own=own,
            adjusted=adjusted,
            due_in=None if due_in is None else timedelta(seconds=due_in),
            open_key=stands.open_key or "",
        )

    async def add(self, payment: Payment, wanted: Adjustment, proposal: Proposal) -> None:
        """See AdjustmentRows.add."""
        values = {
            "merchant_id": payment.merchant_id,
            "payment_id": payment.id,
            "sequence": payment.version,
            "transaction_id": payment.transaction_id,
            "debit": wanted.debit,
            "credit": wanted.credit,
            "currency": wanted.amount.currency,
            "amount_minor": wanted.amount.amount_minor,
            "evidence": wanted.evidence,
            "proposal_id": proposal.id,
        }
        await self._connection.execute(insert(_TABLE).values(values))


def read_adjustment(row: Any) -> Adjustment:
    """The adjustment of a row."""
    return Adjustment(
        debit=row.debit,
        credit=row.credit,
        amount=Money(row.amount_minor, row.currency),
        evidence=row.evidence,
    )
