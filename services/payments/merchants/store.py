"""Merchants and keys on PostgreSQL. Each change counts up credential_version first, and holds its
row until the commit, so that a reader who knows a version misses no change before it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import tables
from services.payments.merchants.domain import (
    KEYS_A_DAY_MAX,
    KEYS_MAX,
    Key,
    KeyNotActive,
    KeyNotFound,
    KeysExhausted,
    KeyStatus,
    Merchant,
    MerchantKey,
    OperatorKey,
)
from services.payments.merchants.key_text import KeyText
from services.payments.merchants.ports import Changes
from services.payments.model.principal import MerchantId
from services.payments.model.timing import CREDENTIALS_DAY
from services.shared.db import autocommitted, connected
from services.shared.ids import Prefix, decode_id, encode_id
from services.shared.rollback import repeated

_API_KEYS, _OPERATOR_KEYS = tables.api_keys, tables.operator_keys
_TABLES: Mapping[type, Table] = {MerchantKey: _API_KEYS, OperatorKey: _OPERATOR_KEYS}
_COUNT_UP = text(
    "UPDATE credential_version SET version = version + 1 WHERE id = 1 RETURNING version"
)
_VERSION = text("SELECT version, now() AS now FROM credential_version WHERE id = 1")
_NOW = text("SELECT now()")


class PostgresKeys:
    """The port KeyStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = autocommitted(engine)

    @repeated
    async def now(self) -> datetime:
        """See KeyStore.now."""
        async with connected(self._reader) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            return now

    @repeated
    async def add(self, merchant_id: MerchantId, key: MerchantKey) -> MerchantKey:
        """See KeyStore.add."""
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            await refuse_ended_maker(connection, key)
            await refuse_exhausted(connection, merchant_id)
            added = await insert_key(connection, merchant_id, key, version)
            await connection.commit()
        return added

    @repeated
    async def get(self, merchant_id: MerchantId, key_id: UUID) -> MerchantKey:
        """See KeyStore.get."""
        async with connected(self._reader) as connection:
            return await one_key(connection, merchant_id, key_id)

    @repeated
    async def page(
        self, merchant_id: MerchantId, *, before: UUID | None, limit: int
    ) -> Sequence[MerchantKey]:
        """See KeyStore.page."""
        async with connected(self._reader) as connection:
            return await page_of_keys(connection, merchant_id, before=before, limit=limit)

    @repeated
    async def roll(
        self, merchant_id: MerchantId, key_id: UUID, new: MerchantKey, *, overlap_hours: int
    ) -> MerchantKey:
        """See KeyStore.roll."""
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            await refuse_ended_maker(connection, new)
            old = await one_key(connection, merchant_id, key_id)
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            ends = ends_of_rolled(old, new, now, overlap_hours)
            await change_key(connection, old, ends, version)
            await refuse_exhausted(connection, merchant_id)
            added = await insert_key(connection, merchant_id, new, version)
            await connection.commit()
        return added

    @repeated
    async def revoke(self, merchant_id: MerchantId, key_id: UUID) -> MerchantKey:
        """See KeyStore.revoke."""
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            key = await one_key(connection, merchant_id, key_id)
            if key.revoked_at is None:
                await change_key(connection, key, {"revoked_at": func.now()}, version)
                key = await one_key(connection, merchant_id, key_id)
                await connection.commit()
        return key


class PostgresLeaks:
    """The port LeakStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @repeated
    async def revoke_leaked(self, said: KeyText, place: str) -> str:
        """See LeakStore.revoke_leaked."""
        table = _OPERATOR_KEYS if said.is_operators else _API_KEYS
        columns = table.c
        its = (columns.id == said.id, columns.digest == said.digest, columns.revoked_at.is_(None))
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            ends = {"revoked_at": func.now(), "leak_place": place, "version": version}
            revoked = await connection.execute(update(table).where(*its).values(**ends))
            if not revoked.rowcount:
                return ""
            await connection.commit()
        return encode_id(Prefix.OPERATOR_KEY if said.is_operators else Prefix.API_KEY, said.id)


class PostgresCredentials:
    """The port CredentialSource on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = autocommitted(engine)

    @repeated
    async def changes(self, after: int) -> Changes:
        """See CredentialSource.changes."""
        async with connected(self._reader) as connection:
            version, now = (await connection.execute(_VERSION)).one()
            if version == after:
                return Changes(version=version, now=now)
            # A change that is committed meanwhile comes once more with the next reading. Merchants
            # are read last, so that no key is without its merchant.
            keys = await _changed(connection, _API_KEYS, after)
            operators_keys = await _changed(connection, _OPERATOR_KEYS, after)
            merchants = await _changed(connection, tables.merchants, after)
        return Changes(
            version=version,
            now=now,
            merchants=[read_merchant(row) for row in merchants],
            merchant_keys=[read_merchant_key(row) for row in keys],
            operator_keys=[read_operator_key(row) for row in operators_keys],
        )

    @repeated
    async def note_uses(self, used: Mapping[type, Collection[UUID]]) -> None:
        """See CredentialSource.note_uses."""
        hour = func.date_trunc("hour", func.now())
        async with connected(self._engine) as connection:
            for kind, ids in used.items():
                table = _TABLES[kind]
                await connection.execute(
                    update(table)
                    .where(table.c.id.in_(ids), table.c.last_used_at.is_distinct_from(hour))
                    .values(last_used_at=hour)
                )
            await connection.commit()


def read_merchant(row: Row[Any]) -> Merchant:
    """A row of merchants."""
    return Merchant(
        id=row.id,
        display_name=row.display_name,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def read_merchant_key(row: Row[Any]) -> MerchantKey:
    """A row of api_keys."""
    return MerchantKey(merchant_id=row.merchant_id, **_read_key(row))


def read_operator_key(row: Row[Any]) -> OperatorKey:
    """A row of operator_keys."""
    return OperatorKey(operator=row.operator, **_read_key(row))


def key_values(key: Key, version: int) -> Mapping[str, Any]:
    """The columns of a new key but its owner."""
    return {
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "scopes": sorted(key.scopes),
        "addresses": [str(network) for network in key.addresses],
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "version": version,
    }


def _read_key(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "digest": row.digest,
        "scopes": frozenset(row.scopes),
        "addresses": tuple(ip_network(one) for one in row.addresses),
        "created_at": row.created_at,
        "created_by": row.created_by,
        # Infinity comes without a zone.
        "expires_at": row.expires_at and row.expires_at.replace(tzinfo=UTC),
        "revoked_at": row.revoked_at,
        "rolled_to": row.rolled_to,
        "leak_place": row.leak_place or "",
        "last_used_at": row.last_used_at,
    }


async def count_up(connection: AsyncConnection) -> int:
    """Begins a change of merchants or keys: its version, whose row is held until the commit."""
    version: int = (await connection.execute(_COUNT_UP)).scalar_one()
    return version


async def _changed(connection: AsyncConnection, table: Table, after: int) -> Sequence[Row[Any]]:
    query = select(table).where(table.c.version > after)
    if table is not tables.merchants:
        # One that ended long ago is as unknown as one that never was.
        since = func.now() - CREDENTIALS_DAY
        for end in (table.c.revoked_at, table.c.expires_at):
            query = query.where(end.is_(None) | (end > since))
    return (await connection.execute(query)).all()


async def one_key(connection: AsyncConnection, merchant_id: str, key_id: UUID) -> MerchantKey:
    """One key of a merchant. Raises KeyNotFound."""
    found = await connection.execute(
        select(_API_KEYS).where(_API_KEYS.c.merchant_id == merchant_id, _API_KEYS.c.id == key_id)
    )
    row = found.one_or_none()
    if row is None:
        raise KeyNotFound(key_id=encode_id(Prefix.API_KEY, key_id))
    return read_merchant_key(row)


async def page_of_keys(
    connection: AsyncConnection, merchant_id: str, *, before: UUID | None, limit: int
) -> Sequence[MerchantKey]:
    """Up to limit keys of a merchant, the newest first, those older than `before`."""
    query = select(_API_KEYS).where(_API_KEYS.c.merchant_id == merchant_id)
    if before is not None:
        query = query.where(_API_KEYS.c.id < before)
    query = query.order_by(_API_KEYS.c.id.desc()).limit(limit)
    return [read_merchant_key(row) for row in await connection.execute(query)]


def ends_of_rolled(old: Key, new: Key, now: datetime, overlap_hours: int) -> Mapping[str, Any]:
    """The changed columns of a key that another one replaces. Raises KeyNotActive."""
    status = old.status(now)
    if status is not KeyStatus.ACTIVE or old.rolled_to is not None:
        raise KeyNotActive(key_id=old.key_id, status=status)
    if not overlap_hours:
        return {"rolled_to": new.id, "revoked_at": now}
    end = now + timedelta(hours=overlap_hours)
    return {"rolled_to": new.id, "expires_at": min(end, old.expires_at or end)}


async def refuse_ended_maker(connection: AsyncConnection, new: Key) -> None:
    """Raises ApiKeyRevoked or ApiKeyExpired where the key that makes another has ended since its
    call was admitted: nothing that it makes shall outlive it."""
    maker: Key | None = None
    if operators := decode_id(Prefix.OPERATOR_KEY, new.created_by):
        query = select(_OPERATOR_KEYS).where(_OPERATOR_KEYS.c.id == operators)
        row = (await connection.execute(query)).one_or_none()
        # A sandbox's own is in no table.
        maker = read_operator_key(row) if row else None
    elif isinstance(new, MerchantKey) and (merchants := decode_id(Prefix.API_KEY, new.created_by)):
        maker = await one_key(connection, new.merchant_id, merchants)
    if maker is not None:
        maker.check_usable((await connection.execute(_NOW)).scalar_one())


def is_active(table: Table) -> ColumnElement[bool]:
    """Whether a key of the table may be used."""
    columns = table.c
    return columns.revoked_at.is_(None) & (
        columns.expires_at.is_(None) | (columns.expires_at > func.now())
    )


async def refuse_exhausted(connection: AsyncConnection, merchant_id: str) -> None:
    """Raises KeysExhausted where the merchant may have no further key."""
    columns = _API_KEYS.c
    active = (
        select(func.count())
        .select_from(_API_KEYS)
        .where(columns.merchant_id == merchant_id, is_active(_API_KEYS))
    )
    if (await connection.execute(active)).scalar_one() >= KEYS_MAX:
        raise KeysExhausted(maximum=str(KEYS_MAX))
    made = select(func.count()).where(
        columns.merchant_id == merchant_id, columns.created_at > func.now() - CREDENTIALS_DAY
    )
    if (await connection.execute(made)).scalar_one() >= KEYS_A_DAY_MAX:
        raise KeysExhausted(maximum_a_day=str(KEYS_A_DAY_MAX))


async def insert_key(
    connection: AsyncConnection, merchant_id: str, key: MerchantKey, version: int
) -> MerchantKey:
    """Adds a key in this transaction."""
    added = await connection.execute(
        insert(_API_KEYS)
        .values(merchant_id=merchant_id, **key_values(key, version))
        .returning(_API_KEYS)
    )
    return read_merchant_key(added.one())


async def change_key(
    connection: AsyncConnection, key: MerchantKey, values: Mapping[str, Any], version: int
) -> None:
    """Changes a key in this transaction."""
    await connection.execute(
        update(_API_KEYS)
        .where(_API_KEYS.c.merchant_id == key.merchant_id, _API_KEYS.c.id == key.id)
        .values(version=version, **values)
    )
