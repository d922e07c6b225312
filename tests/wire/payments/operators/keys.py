"""Keys of operators, put into the database as the command does it."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.key_text import digest_of, new_key_text
from services.shared.contract import PrincipalKind, scopes_of
from services.shared.deployment import Deployment
from services.shared.ids import encode_id, new_id
from tests.poison import run

_INSERTED = """
    INSERT INTO operator_keys (id, operator, name, digest, scopes, addresses, created_by, version)
    SELECT CAST(:id AS uuid), :operator, 'laptop', :digest, to_jsonb(CAST(:scopes AS text[])),
           '[]', 'command', version + 1 FROM credential_version
"""


@dataclass(frozen=True)
class MadeKey:
    """A key that is in the database, and its text."""

    id: UUID
    text: str

    @property
    def key_id(self) -> str:
        """The public id."""
        return encode_id("opk", self.id)

    @property
    def header(self) -> tuple[str, str]:
        """The metadata that carries it."""
        return ("authorization", f"Bearer {self.text}")


async def operator_key(
    engine: AsyncEngine,
    operator: str,
    *,
    scopes: Collection[str] = (),
    deployment: Deployment = Deployment.SANDBOX,
    changes: str = "",
) -> MadeKey:
    """A key of the operator; without scopes it has all of them."""
    key_id = new_id()
    text = new_key_text(key_id, is_operators=True, is_live=deployment is Deployment.LIVE)
    granted = sorted(scopes or scopes_of(PrincipalKind.OPERATOR))
    # In one transaction, as a reader of the credentials sees each change of ours.
    changed = [f"UPDATE operator_keys SET {changes} WHERE id = :id"] if changes else []
    counted = "UPDATE credential_version SET version = version + 1"
    values = {"id": key_id, "operator": operator, "digest": digest_of(text), "scopes": granted}
    await run(engine, _INSERTED, *changed, counted, **values)
    return MadeKey(key_id, text)
