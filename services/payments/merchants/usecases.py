"""A merchant's verbs on its own keys. The text of a key is in no answer but that which makes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.payments.base.paging import cut
from services.payments.merchants.domain import (
    MerchantKey,
    Network,
    check_bounds,
    check_granted,
    check_within,
    read_key_id,
)
from services.payments.merchants.key_text import digest_of, new_key_text
from services.payments.merchants.ports import KeyStore
from services.payments.model.principal import MerchantId, Principal
from services.shared.ids import new_id


@dataclass(frozen=True, kw_only=True)
class KeyOrder:
    """A request for a key, read and validated."""

    name: str
    scopes: frozenset[str]
    addresses: tuple[Network, ...]
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A key as it is at a time, and its text where it was just made."""

    key: MerchantKey
    now: datetime
    text: str = field(default="", repr=False)


class Keys:
    """The keys of all merchants."""

    def __init__(self, store: KeyStore, *, is_live: bool) -> None:
        self._store = store
        self._is_live = is_live

    async def create(self, merchant_id: MerchantId, principal: Principal, order: KeyOrder) -> Shown:
        """A new key, with its text. Raises ScopeMissing, Invalid, KeysExhausted."""
        check_granted(order.scopes, principal.scopes)
        now = await self._store.now()
        check_bounds(order.expires_at, order.addresses, principal, now)
        key, text = new_key(merchant_id, order, now, made_by(principal), is_live=self._is_live)
        return Shown(key=await self._store.add(merchant_id, key), now=now, text=text)

    async def get(self, merchant_id: MerchantId, key_id: str) -> Shown:
        """One key. Raises KeyNotFound."""
        key = await self._store.get(merchant_id, read_key_id(key_id))
        return Shown(key=key, now=await self._store.now())

    async def list(
        self, merchant_id: MerchantId, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[Shown], UUID | None]:
        """A page, the newest first, and the id to go on before; None at the end."""
        found = await self._store.page(merchant_id, before=before, limit=limit + 1)
        now = await self._store.now()
        page, last = cut(found, limit)
        return [Shown(key=key, now=now) for key in page], last.id if last else None

    async def roll(
        self, merchant_id: MerchantId, principal: Principal, key_id: str, *, overlap_hours: int
    ) -> Shown:
        """The key that replaces another, with its text.

        Raises KeyNotFound, ScopeMissing, KeyNotActive, KeysExhausted.
        """
        old = await self._store.get(merchant_id, read_key_id(key_id))
        check_granted(old.scopes, principal.scopes)
        check_within(old.expires_at, old.addresses, principal)
        now = await self._store.now()
        order = KeyOrder(
            name=old.name, scopes=old.scopes, addresses=old.addresses, expires_at=old.expires_at
        )
        key, text = new_key(merchant_id, order, now, made_by(principal), is_live=self._is_live)
        added = await self._store.roll(merchant_id, old.id, key, overlap_hours=overlap_hours)
        return Shown(key=added, now=now, text=text)

    async def revoke(self, merchant_id: MerchantId, key_id: str) -> Shown:
        """The key, revoked now or before. Raises KeyNotFound."""
        key = await self._store.revoke(merchant_id, read_key_id(key_id))
        return Shown(key=key, now=await self._store.now())


def new_key(
    merchant_id: str, order: KeyOrder, now: datetime, created_by: str, *, is_live: bool
) -> tuple[MerchantKey, str]:
    """A key that is kept nowhere yet, and its text."""
    key_id = new_id()
    text = new_key_text(key_id, is_operators=False, is_live=is_live)
    key = MerchantKey(
        merchant_id=merchant_id,
        id=key_id,
        name=order.name,
        digest=digest_of(text),
        scopes=order.scopes,
        addresses=order.addresses,
        created_at=now,
        created_by=created_by,
        expires_at=order.expires_at,
    )
    return key, text


def made_by(principal: Principal) -> str:
    """The `created_by` of a key that a principal makes."""
    return principal.credential_id or principal.name
