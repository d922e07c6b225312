"""Pauses of providers and corridors. A row is added and ended, and nothing else of it changes: a
trigger lets nobody take back an end."""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, Uuid, text

from services.payments.base.tables.kit import SET, metadata
from services.payments.base.tables.kit import instant as _instant

pauses = Table(
    "pauses",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    # Of the provider, or id of the corridor.
    Column("name", Text, nullable=False),
    # FINISH or WAIT: the fate of the payments that are under way.
    Column("under_way", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("paused_by", Text, nullable=False),
    _instant("starts_at"),
    # Absent where only an operator ends it.
    _instant("ends_at", nullable=True),
    # The end before its time, or its own end once that is written down.
    _instant("ended_at", nullable=True, info=SET),
    Column("ended_by", Text, nullable=False, server_default=text("''"), info=SET),
    Column("end_reason", Text, nullable=False, server_default=text("''"), info=SET),
    CheckConstraint("kind IN ('PROVIDER', 'CORRIDOR')", name="kind"),
    CheckConstraint("under_way IN ('FINISH', 'WAIT')", name="under_way"),
    # No payment waits without an end.
    CheckConstraint("under_way = 'FINISH' OR ends_at IS NOT NULL", name="wait_ends"),
    CheckConstraint("reason <> ''", name="reason"),
    CheckConstraint("starts_at < ends_at", name="times"),
    # A target has one of each at a time.
    Index(
        "pauses_open_idx",
        "kind",
        "name",
        "under_way",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)
