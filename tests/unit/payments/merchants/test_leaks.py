"""Only the very text of a key that there is comes as far as the store."""

from datetime import datetime
from uuid import UUID

from services.payments.merchants.domain import Merchant, MerchantKey, OperatorKey
from services.payments.merchants.key_text import KeyText, digest_of, new_key_text
from services.payments.merchants.leaks import UNSAID, LeakReports
from services.shared.ids import new_id
from tests.makers import NOW

KEY_ID = new_id()
TEXT = new_key_text(KEY_ID, is_operators=False, is_live=False)
OTHER = new_key_text(KEY_ID, is_operators=False, is_live=False)
OPERATORS = new_key_text(KEY_ID, is_operators=True, is_live=False)
ACME = Merchant(id="mer_acme", display_name="Acme", created_at=NOW)


class Known:
    """The port Credentials with one key of a merchant and one of an operator."""

    revoked_at: datetime | None = None

    async def merchant_key(self, key_id: UUID) -> tuple[MerchantKey, Merchant] | None:
        key = MerchantKey(merchant_id=ACME.id, revoked_at=self.revoked_at, **_key(TEXT))
        return (key, ACME) if key_id == KEY_ID else None

    async def operator_key(self, key_id: UUID) -> OperatorKey | None:
        return OperatorKey(operator="amina", **_key(OPERATORS)) if key_id == KEY_ID else None

    async def merchant(self, merchant_id: str) -> Merchant | None:
        raise NotImplementedError

    def note_use(self, key: MerchantKey | OperatorKey) -> None:
        raise NotImplementedError


class Store:
    """The port LeakStore."""

    def __init__(self) -> None:
        self.revoked: list[tuple[KeyText, str]] = []

    async def revoke_leaked(self, said: KeyText, place: str) -> str:
        self.revoked.append((said, place))
        return "key_1"


def _key(text: str) -> dict[str, object]:
    return {
        "id": KEY_ID,
        "name": "shop",
        "digest": digest_of(text),
        "scopes": frozenset({"payments:read"}),
        "created_at": NOW,
        "created_by": "command",
    }


async def test_only_a_genuine_text_comes_as_far_as_the_store() -> None:
    store = Store()
    reports = LeakReports(Known(), store)
    unknown = new_key_text(new_id(), is_operators=False, is_live=False)

    for found in ("hunter2", "cvl_test_", TEXT[:-1], TEXT + "0", "", OTHER, unknown):
        await reports.take(found, "")
    assert store.revoked == []

    for found in (f" {TEXT}\n", OPERATORS):
        await reports.take(found, "")
    assert [(said.is_operators, place) for said, place in store.revoked] == [
        *((False, UNSAID), (True, UNSAID))
    ]


async def test_a_key_that_is_revoked_already_comes_no_further() -> None:
    store, known = Store(), Known()
    known.revoked_at = NOW

    await LeakReports(known, store).take(TEXT, "")

    assert store.revoked == []
