"""The rows that real payments have left behind, as SQL literals: the rows that pgbench inserts
and those that fill a table are copies of them, so that both stay true when the schema changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# In the order in which they may be inserted, with the column that names the payment.
CREATED = {"idempotency_keys": "payment_id", "quotes": "payment_id", "payments": "id"}
CREATED |= {"payment_events": "payment_id"}
# The rows of a completed payment beside those of its creation, for a merchant without endpoints.
SETTLED = {"attempts": "payment_id", "postings": "payment_id", "webhook_inbox": "payment_id"}


@dataclass(frozen=True)
class Row:
    """One row: its table, and the type and literal of each column that is not null."""

    table: str
    columns: Mapping[str, tuple[str, str]]


async def rows_of(connection: Any, table: str, column: str, payment_id: str) -> Sequence[Row]:
    """Every row of a table that belongs to a payment, oldest first, as it was inserted."""
    columns = await connection.fetch(
        """
        SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
           AND attgenerated = '' ORDER BY attnum
        """,
        table,
    )
    literals = ", ".join(f"quote_literal({one['name']}::text)" for one in columns)
    found = await connection.fetch(
        f"SELECT {literals} FROM {table} WHERE {column} = $1::uuid ORDER BY ctid", payment_id
    )
    return [
        Row(
            table,
            {
                one["name"]: (one["type"], literal)
                for one, literal in zip(columns, row.values(), strict=True)
                if literal is not None
            },
        )
        for row in found
    ]
