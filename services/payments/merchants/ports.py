"""The keys of one merchant, the credentials of all, and their store."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.merchants.domain import Merchant, MerchantKey, OperatorKey
from services.payments.merchants.key_text import KeyText
from services.payments.model.principal import MerchantId


class KeyStore(Protocol):
    """A merchant's keys, each call one transaction."""

    async def now(self) -> datetime:
        """The database's time."""
        ...

    async def add(self, merchant_id: MerchantId, key: MerchantKey) -> MerchantKey:
        """Keeps a new key. Raises KeysExhausted."""
        ...

    async def get(self, merchant_id: MerchantId, key_id: UUID) -> MerchantKey:
        """One key. Raises KeyNotFound."""
        ...

    async def page(
        self, merchant_id: MerchantId, *, before: UUID | None, limit: int
    ) -> Sequence[MerchantKey]:
        """Up to limit keys, the newest first, those older than `before`."""
        ...

    async def roll(
        self, merchant_id: MerchantId, key_id: UUID, new: MerchantKey, *, overlap_hours: int
    ) -> MerchantKey:
        """Keeps the new key, and ends the old one after so many hours, at 0 at once.

        Raises KeyNotFound, KeyNotActive where the old one has ended or was rolled, KeysExhausted.
        """
        ...

    async def revoke(self, merchant_id: MerchantId, key_id: UUID) -> MerchantKey:
        """The key, revoked now or before. Raises KeyNotFound."""
        ...


class LeakStore(Protocol):
    """The keys of all, for whoever has found the text of one."""

    async def revoke_leaked(self, said: KeyText, place: str) -> str:
        """Revokes the key of this very text, and keeps where it was found. Gives its public id;
        empty where no key has this text, and where it was revoked before."""
        ...


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The credentials that were changed after a version, and the version that they lead to."""

    version: int
    # The database's time.
    now: datetime
    merchants: Sequence[Merchant] = ()
    merchant_keys: Sequence[MerchantKey] = ()
    operator_keys: Sequence[OperatorKey] = ()


class CredentialSource(Protocol):
    """The credentials of all, as the database has them."""

    async def changes(self, after: int) -> Changes:
        """All that was changed after a version; nothing in nearly every case."""
        ...

    async def note_uses(self, used: Mapping[type, Collection[UUID]]) -> None:
        """Keeps the hour as that of the last use, of keys by their kind."""
        ...


class Credentials(Protocol):
    """The credentials of all, held in memory and never older than a second."""

    async def merchant_key(self, key_id: UUID) -> tuple[MerchantKey, Merchant] | None:
        """A merchant's key and the merchant. Raises CredentialsUnverifiable."""
        ...

    async def operator_key(self, key_id: UUID) -> OperatorKey | None:
        """An operator's key. Raises CredentialsUnverifiable."""
        ...

    async def merchant(self, merchant_id: str) -> Merchant | None:
        """A merchant. Raises CredentialsUnverifiable."""
        ...

    def note_use(self, key: MerchantKey | OperatorKey) -> None:
        """The key was used now."""
        ...
