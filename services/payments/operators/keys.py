"""The verbs on operators' keys, for the RPCs and for the command line alike. The text of a key is
in no answer but that which makes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.payments.base.paging import cut
from services.payments.merchants.domain import (
    Network,
    OperatorKey,
    check_bounds,
    check_within,
)
from services.payments.merchants.key_text import digest_of, new_key_text
from services.payments.model.operator import Operator, operator_of
from services.payments.model.principal import Principal
from services.payments.operators.domain import Action, OperatorKeyNotFound
from services.payments.operators.ports import OperatorKeyStore
from services.payments.operators.trail import Trail
from services.shared.ids import Prefix, decode_id, new_id


@dataclass(frozen=True, kw_only=True)
class OperatorKeyOrder:
    """A request for a key, read and validated."""

    operator: str
    name: str
    scopes: frozenset[str]
    addresses: tuple[Network, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ShownKey:
    """A key as it is at a time, and its text where it was just made."""

    key: OperatorKey
    now: datetime
    text: str = field(default="", repr=False)


class OperatorKeys:
    """Makes, lists, rolls and revokes operators' keys; each change is in the log of actions."""

    def __init__(self, store: OperatorKeyStore, trail: Trail, *, is_live: bool) -> None:
        self._store = store
        self._trail = trail
        self._is_live = is_live

    async def create(self, principal: Principal, order: OperatorKeyOrder) -> ShownKey:
        """A new key, with its text. Raises Invalid, KeysExhausted."""
        by = operator_of(principal)
        async with self._trail.attempt(by, Action.CREATE_OPERATOR_KEY, ""):
            now = await self._store.now()
            check_bounds(order.expires_at, order.addresses, principal, now)
            key, text = self._new(order, now, by)
            return ShownKey(key=await self._store.add(key, by), now=now, text=text)

    async def roll(self, principal: Principal, key_id: str, *, overlap_hours: int) -> ShownKey:
        """The key that replaces another, with its text.

        Raises OperatorKeyNotFound, Invalid, KeyNotActive, KeysExhausted.
        """
        by = operator_of(principal)
        async with self._trail.attempt(by, Action.ROLL_OPERATOR_KEY, key_id):
            old = await self._store.get(_read_key_id(key_id))
            check_within(old.expires_at, old.addresses, principal)
            now = await self._store.now()
            order = OperatorKeyOrder(
                operator=old.operator,
                name=old.name,
                scopes=old.scopes,
                addresses=old.addresses,
                expires_at=old.expires_at,
            )
            key, text = self._new(order, now, by)
            made = await self._store.roll(old.id, key, by, overlap_hours=overlap_hours)
            return ShownKey(key=made, now=now, text=text)

    async def list(
        self, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[ShownKey], UUID | None]:
        """A page, the newest first, and the id to go on before; None at the end."""
        page, last = cut(await self._store.page(before=before, limit=limit + 1), limit)
        now = await self._store.now()
        return [ShownKey(key=key, now=now) for key in page], last.id if last else None

    async def revoke(self, principal: Principal, key_id: str) -> ShownKey:
        """The key, revoked now or before. Raises OperatorKeyNotFound."""
        by = operator_of(principal)
        async with self._trail.attempt(by, Action.REVOKE_OPERATOR_KEY, key_id):
            key = await self._store.revoke(_read_key_id(key_id), by)
            return ShownKey(key=key, now=await self._store.now())

    def _new(self, order: OperatorKeyOrder, now: datetime, by: Operator) -> tuple[OperatorKey, str]:
        """A key that is kept nowhere yet, and its text."""
        key_id = new_id()
        text = new_key_text(key_id, is_operators=True, is_live=self._is_live)
        key = OperatorKey(
            operator=order.operator,
            id=key_id,
            name=order.name,
            digest=digest_of(text),
            scopes=order.scopes,
            addresses=order.addresses,
            created_at=now,
            created_by=by.created_by,
            expires_at=order.expires_at,
        )
        return key, text


def _read_key_id(text: str) -> UUID:
    key_id = decode_id(Prefix.OPERATOR_KEY, text)
    if key_id is None:
        raise OperatorKeyNotFound(key_id=text)
    return key_id
