"""Holds each adjustment to the proposal on which two people agreed: its payment, its accounts, its
amount and its evidence; and each such proposal that was approved to its adjustment."""

import json
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.audit.report import Finding
from services.shared.ids import Prefix, encode_id

AGREED = "every adjustment is what two people agreed on"
SAMPLE = 3
_AGREED_ON = ("amount_minor", "credit", "currency", "debit", "evidence")
# There are few.
_ADJUSTMENTS = text(
    """
    SELECT p.id, a.payment_id, a.transaction_id, a.debit, a.credit, a.currency, a.amount_minor,
           a.evidence, a.merchant_id = p.merchant_id AS is_of_merchant, p.payload, p.target,
           coalesce(p.proposer_person <> p.approver_person, false) AS is_agreed
      FROM adjustments a
      FULL JOIN (SELECT id, merchant_id, target, payload, proposer_person, approver_person
                   FROM proposals WHERE verb = 'ADJUST_PAYMENT' AND state = 'APPROVED') AS p
        ON p.id = a.proposal_id
     ORDER BY a.made_at, p.id
    """
)


async def find_agreed(connection: AsyncConnection) -> Finding:
    """The adjustments that nobody agreed on as they are, and the agreed ones that are not there."""
    found = await connection.execute(_ADJUSTMENTS)
    wrong = [_name(row) for row in found if not _is_as_agreed(row)]
    return Finding(invariant=AGREED, violations=len(wrong), examples=tuple(wrong[:SAMPLE]))


def _name(row: Row[Any]) -> str:
    return str(row.transaction_id or row.target)


def _is_as_agreed(row: Row[Any]) -> bool:
    if not row.is_agreed or row.payment_id is None or not row.is_of_merchant:
        return False
    if not row.target == row.transaction_id == encode_id(Prefix.PAYMENT, row.payment_id):
        return False
    try:
        arguments = json.loads(bytes(row.payload))["arguments"]
        return all(arguments[name] == getattr(row, name) for name in _AGREED_ON)
    except (ValueError, KeyError, TypeError):
        # Nobody has read such a payload.
        return False
