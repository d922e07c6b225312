"""Recoveries of a database that was older than what has happened, and the payments of each. They
stand in the database that is recovered, so that any process goes on after the death of another."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from services.payments.base.tables.kit import SET, metadata
from services.payments.base.tables.kit import instant as _instant


def _word(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


recoveries = Table(
    "recoveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    # The operator who has started it, under whose name payments are held.
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _word("credential_id"),
    _word("address"),
    _word("request_id"),
    _instant("started_at", default=True),
    # When all providers had said what they have.
    _instant("listed_at", nullable=True, info=SET),
    # RUNNING, or its end.
    Column("state", Text, nullable=False, server_default=text("'RUNNING'"), info=SET),
    _instant("ended_at", nullable=True, info=SET),
    # Of FAILED.
    Column("failure", Text, nullable=False, server_default=text("''"), info=SET),
    # The value that payments made again explain, by account.
    Column("explained", JSONB, info=SET),
    CheckConstraint("state IN ('RUNNING', 'ACCEPTED', 'UNDECIDED', 'FAILED')", name="state"),
    CheckConstraint("(state = 'RUNNING') = (ended_at IS NULL)", name="end"),
    Index(
        "recoveries_running_idx", "state", unique=True, postgresql_where=text("state = 'RUNNING'")
    ),
)

recovered_payments = Table(
    "recovered_payments",
    metadata,
    Column("recovery_id", Uuid, ForeignKey(recoveries.c.id), primary_key=True),
    # The payment's public id, also of one that is not in this database.
    Column("name", Text, primary_key=True),
    # Each operation that was lost, as its provider has it.
    Column("stories", JSONB, nullable=False, info=SET),
    # Empty while it is not decided.
    Column("fate", Text, nullable=False, server_default=text("''"), info=SET),
    CheckConstraint(
        "fate IN ('', 'GOES_ON', 'HELD', 'MADE_AGAIN', 'NOT_HELD', 'UNKNOWN')", name="fate"
    ),
)
