"""Merchants, and the keys of merchants and of operators. Each row has the version of its last
change; a process that holds all of them reads only what came after the version it knows."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.payments.base.tables.kit import SET, metadata
from services.payments.base.tables.kit import instant as _instant


def _version() -> Column[Any]:
    return Column("version", BigInteger, nullable=False, server_default=text("0"), info=SET)


# The owners of payments and keys.
merchants = Table(
    "merchants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
    _instant("created_at", default=True),
    # The operator's name, or "command"; and the idempotency key of the operator's request.
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Column("creation_key", Text),
    _instant("disabled_at", nullable=True, info=SET),
    _version(),
    Index("merchants_version_idx", "version"),
    Index("merchants_creation_idx", "created_by", "creation_key", unique=True),
)


def _key_columns() -> list[Column[Any]]:
    """The columns of every key but its owner and id; of its text only the digest is kept."""
    return [
        Column("name", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("scopes", JSONB, nullable=False),
        # Empty where every address may use it.
        Column("addresses", JSONB, nullable=False),
        _instant("created_at", default=True),
        # Public id of the credential that made it, or "command".
        Column("created_by", Text, nullable=False),
        _instant("expires_at", nullable=True, info=SET),
        _instant("revoked_at", nullable=True, info=SET),
        Column("rolled_to", Uuid, info=SET),
        # Where its text was found, by the leak report that has revoked it.
        Column("leak_place", Text, info=SET),
        # The hour; it changes no version.
        _instant("last_used_at", nullable=True, info=SET),
        _version(),
    ]


api_keys = Table(
    "api_keys",
    metadata,
    Column("merchant_id", Text, ForeignKey("merchants.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    *_key_columns(),
    Index("api_keys_version_idx", "version"),
)

operator_keys = Table(
    "operator_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    # The name that the audit trail shows.
    Column("operator", Text, nullable=False),
    *_key_columns(),
    Index("operator_keys_version_idx", "version"),
)

# One row: how often merchants and keys have been changed. A change counts it up before it writes,
# and holds the row until its commit, so that versions become visible in their order.
credential_version = Table(
    "credential_version",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("version", BigInteger, nullable=False, info=SET),
    CheckConstraint("id = 1", name="single"),
)
