"""The corridor files that counted, from which moment on, and the operator who has applied them.
Rows are added and never changed: a trigger and the grants refuse anything else."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, Table, Text

from services.payments.base.tables.kit import instant, metadata

corridor_versions = Table(
    "corridor_versions",
    metadata,
    # Without gaps, from 1.
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    # SHA-256 of the files.
    Column("version", Text, nullable=False),
    # Canonical JSON in UTF-8: names to texts.
    Column("files", LargeBinary, nullable=False),
    Column("applied_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    instant("applied_at"),
    instant("effective_at"),
    CheckConstraint("version = encode(sha256(files), 'hex')", name="files"),
    CheckConstraint("effective_at >= applied_at", name="effective"),
    Index("corridor_versions_version_idx", "version", "sequence"),
)
