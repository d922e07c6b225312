"""The operators' verbs on merchants and on their keys, for the RPCs and for the command line alike.
The text of a key is in no answer but that which makes it."""

from collections.abc import Sequence
from uuid import UUID

from services.payments.base.paging import cut
from services.payments.merchants.domain import Merchant, check_future, read_key_id, read_merchant_id
from services.payments.merchants.usecases import KeyOrder, Shown, new_key
from services.payments.model.operator import Operator
from services.payments.operators.domain import Action
from services.payments.operators.ports import MerchantStore
from services.payments.operators.trail import Trail
from services.shared.ids import Prefix, encode_id


class Merchants:
    """Makes, lists, disables and enables merchants; each change is in the log of actions."""

    def __init__(self, store: MerchantStore, trail: Trail, *, is_live: bool) -> None:
        self._store = store
        self._trail = trail
        self._is_live = is_live

    async def create(
        self, by: Operator, name: str, idempotency_key: str | None = None
    ) -> tuple[Merchant, bool]:
        """A new merchant without a key, or the one that the operator has made under the same
        idempotency key before, and whether it is that.

        Raises IdempotencyKeyReused, MerchantsExhausted.
        """
        async with self._trail.attempt(by, Action.CREATE_MERCHANT, ""):
            return await self._store.add(name, by, idempotency_key)

    async def get(self, merchant_id: str) -> Merchant:
        """One merchant. Raises MerchantNotFound."""
        return await self._store.get(read_merchant_id(merchant_id))

    async def list(
        self, *, before: str | None, limit: int
    ) -> tuple[Sequence[Merchant], str | None]:
        """A page, the newest first, and the id to go on before; None at the end."""
        page, last = cut(await self._store.page(before=before, limit=limit + 1), limit)
        return page, last.id if last else None

    async def disable(self, by: Operator, merchant_id: str) -> Merchant:
        """The merchant, disabled now or before. Raises MerchantNotFound."""
        async with self._trail.attempt(by, Action.DISABLE_MERCHANT, merchant_id):
            return await self._store.disable(read_merchant_id(merchant_id), by)

    async def enable(self, by: Operator, merchant_id: str) -> Merchant:
        """The merchant, enabled now or before. Raises MerchantNotFound."""
        async with self._trail.attempt(by, Action.ENABLE_MERCHANT, merchant_id):
            return await self._store.enable(read_merchant_id(merchant_id), by)

    async def keys(
        self, merchant_id: str, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[Shown], UUID | None]:
        """A page of a merchant's keys, the newest first, and the id to go on before; None at the
        end. Raises MerchantNotFound."""
        of_merchant = read_merchant_id(merchant_id)
        now, found = await self._store.keys(of_merchant, before=before, limit=limit + 1)
        page, last = cut(found, limit)
        return [Shown(key=key, now=now) for key in page], last.id if last else None

    async def create_key(self, by: Operator, merchant_id: str, order: KeyOrder) -> Shown:
        """A merchant's first key, with its text.

        Raises MerchantNotFound, Invalid, MerchantHasKey, KeysExhausted.
        """
        async with self._trail.attempt(by, Action.CREATE_MERCHANT_KEY, merchant_id):
            of_merchant = read_merchant_id(merchant_id)
            now = await self._store.now()
            check_future(order.expires_at, now)
            key, text = new_key(of_merchant, order, now, by.created_by, is_live=self._is_live)
            return Shown(key=await self._store.add_key(key, by), now=now, text=text)

    async def revoke_key(self, by: Operator, merchant_id: str, key_id: str) -> Shown:
        """The key, revoked now or before. Raises MerchantNotFound, KeyNotFound."""
        async with self._trail.attempt(by, Action.REVOKE_MERCHANT_KEY, key_id):
            of_merchant = read_merchant_id(merchant_id)
            key = await self._store.revoke_key(of_merchant, read_key_id(key_id), by)
            return Shown(key=key, now=await self._store.now())

    async def revoke_keys(self, by: Operator, merchant_id: str) -> Sequence[str]:
        """Revokes all keys that are active; gives their ids, the newest first.

        Raises MerchantNotFound.
        """
        async with self._trail.attempt(by, Action.REVOKE_MERCHANT_KEYS, merchant_id):
            revoked = await self._store.revoke_keys(read_merchant_id(merchant_id), by)
        return [encode_id(Prefix.API_KEY, key_id) for key_id in sorted(revoked, reverse=True)]
