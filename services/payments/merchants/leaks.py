"""Keys that somebody has found where they do not belong: a key whose very text is reported ends at
once. The answer to a report depends on nothing that is known here."""

from hmac import compare_digest

from prometheus_client import Counter

from services.payments.merchants.domain import ApiKeyInvalid, ApiKeyMistyped, Key
from services.payments.merchants.key_text import KeyText, read_key_text
from services.payments.merchants.ports import Credentials, LeakStore
from services.shared.log import get_logger

LEAKED = Counter("caravel_leaked_keys_total", "Keys that a leak report has revoked.")
# Shown in place of a place that the report does not name.
UNSAID = "unsaid"


class LeakReports:
    """Takes reports. All but those of a genuine key cost no query of their own."""

    def __init__(self, credentials: Credentials, store: LeakStore) -> None:
        self._credentials = credentials
        self._store = store

    async def take(self, text: str, place: str) -> None:
        """Revokes the key of this text, where there is one. Raises CredentialsUnverifiable."""
        try:
            said = read_key_text(text.strip())
        except (ApiKeyInvalid, ApiKeyMistyped):
            return
        if not await self._is_in_force(said):
            return
        key_id = await self._store.revoke_leaked(said, place or UNSAID)
        if key_id:
            LEAKED.inc()
            get_logger().error("key_leaked", key_id=key_id, place=place or UNSAID)

    async def _is_in_force(self, said: KeyText) -> bool:
        key: Key | None
        if said.is_operators:
            key = await self._credentials.operator_key(said.id)
        else:
            found = await self._credentials.merchant_key(said.id)
            key = found[0] if found else None
        if key is None or key.revoked_at is not None:
            return False
        return compare_digest(key.digest, said.digest)
