"""The operators that a sandbox has built in. No other deployment knows them."""

from datetime import UTC, datetime
from uuid import UUID

from services.payments.merchants.domain import Merchant, MerchantKey, OperatorKey
from services.payments.merchants.key_text import read_key_text
from services.payments.merchants.ports import Credentials
from services.shared.contract import PrincipalKind, scopes_of
from services.shared.well_known import SANDBOX_OPERATORS

FIRST = next(iter(SANDBOX_OPERATORS))


def _key(operator: str, text: str) -> OperatorKey:
    said = read_key_text(text)
    return OperatorKey(
        operator=operator,
        id=said.id,
        name="built in",
        digest=said.digest,
        scopes=scopes_of(PrincipalKind.OPERATOR),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="sandbox",
    )


class SandboxCredentials:
    """The port Credentials, with the built-in operators before all others."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        keys = (_key(operator, text) for operator, text in SANDBOX_OPERATORS.items())
        self._built_in = {key.id: key for key in keys}

    async def merchant_key(self, key_id: UUID) -> tuple[MerchantKey, Merchant] | None:
        """See Credentials.merchant_key."""
        return await self._credentials.merchant_key(key_id)

    async def operator_key(self, key_id: UUID) -> OperatorKey | None:
        """See Credentials.operator_key."""
        return self._built_in.get(key_id) or await self._credentials.operator_key(key_id)

    async def merchant(self, merchant_id: str) -> Merchant | None:
        """See Credentials.merchant."""
        return await self._credentials.merchant(merchant_id)

    def note_use(self, key: MerchantKey | OperatorKey) -> None:
        """See Credentials.note_use."""
        if key.id not in self._built_in:
            self._credentials.note_use(key)
