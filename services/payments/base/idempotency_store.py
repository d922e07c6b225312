"""The first answer under each idempotency key, as the database keeps it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import rows, tables
from services.payments.base.idempotency import IdempotencyKey, StoredAnswer, recovered_key
from services.payments.base.unreadable import UnreadableRow, fetched, read_one
from services.payments.base.unreadable_rows import UnreadableRows
from services.shared.db import HotStatement

# One look at the index for each key and each digest, for any size of the table in the server's
# statistics.
_SELECT_KEYS = text(
    """
    SELECT now() AS now, found.merchant_id, found.key, found.fingerprint, found.response,
           found.payment_id, found.operation, found.asked
      FROM (SELECT) AS always
      LEFT JOIN (
            SELECT k.merchant_id, k.key, k.fingerprint, k.response, k.payment_id, k.operation,
                   r.key AS asked
              FROM json_to_recordset(CAST(:rows AS json))
                AS r(merchant_id text, key text, recovered text)
             CROSS JOIN LATERAL (
                   SELECT merchant_id, key, fingerprint, response, payment_id, operation
                     FROM idempotency_keys i
                    WHERE i.merchant_id = r.merchant_id AND i.key IN (r.key, r.recovered) LIMIT 1
                   ) AS k
            ) AS found ON true
    """
)
_SELECT_KEYS_HOT = HotStatement(_SELECT_KEYS)
_KEEP_ANSWER = text(
    """
    INSERT INTO idempotency_keys (merchant_id, key, fingerprint, response, payment_id, operation)
    VALUES (:merchant_id, :key, :fingerprint, :response, :payment_id, :operation)
    ON CONFLICT DO NOTHING
    """
)


async def read_answers(
    connection: AsyncConnection, unreadable: UnreadableRows, keys: Sequence[IdempotencyKey]
) -> tuple[datetime, Mapping[IdempotencyKey, StoredAnswer]]:
    """The database's time, and the first answers of those keys that have one."""
    wanted = rows.as_json(
        {"merchant_id": key[0], "key": key[1], "recovered": recovered_key(key)} for key in keys
    )
    found = await _SELECT_KEYS_HOT.fetch(connection, {"rows": wanted})
    return found[0]["now"], {
        (row["merchant_id"], row["asked"]): _answer(unreadable, row)
        for row in found
        if row["key"] is not None
    }


def _answer(unreadable: UnreadableRows, row: Mapping[str, Any]) -> StoredAnswer:
    refusal = None
    if source := unreadable.sources.get(tables.idempotency_keys.name):
        read = read_one(source, fetched(row))
        if isinstance(read, UnreadableRow):
            unreadable.note([read])
            refusal = read.as_refusal()
    return StoredAnswer(
        fingerprint=row["fingerprint"],
        response=row["response"],
        refusal=refusal,
        is_recovered=row["key"] != row["asked"],
    )


async def keep_answer(
    connection: AsyncConnection,
    key: IdempotencyKey,
    answer: StoredAnswer,
    payment_id: UUID,
    *,
    operation: str,
) -> bool:
    """Keeps an answer under a key; False where the key has one already."""
    kept = await connection.execute(
        _KEEP_ANSWER,
        {
            "merchant_id": key[0],
            "key": key[1],
            "fingerprint": answer.fingerprint,
            "response": answer.response,
            "payment_id": payment_id,
            "operation": operation,
        },
    )
    return kept.rowcount == 1
