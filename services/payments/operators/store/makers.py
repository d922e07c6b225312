"""The people behind an operator's key: the makers of it, of the keys that it has replaced, and of
the keys that made those. Each of them has had a text that leads to it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.model.operator import person_of_key
from services.payments.operators.proposal import Party
from services.shared.ids import Prefix, decode_id

_KEYS = text(
    "SELECT id, operator, created_by FROM operator_keys "
    "WHERE id = ANY(:ids) OR rolled_to = ANY(:ids)"
)


async def makers_of(connection: AsyncConnection, party: Party) -> Sequence[Party]:
    """All of them, as far as they are credentials; none of a token."""
    first = decode_id(Prefix.OPERATOR_KEY, party.credential)
    seen: set[UUID] = set()
    wanted = {first} if first else set()
    creators: set[str] = set()
    names: dict[UUID, str] = {}
    while wanted:
        seen |= wanted
        rows = (await connection.execute(_KEYS, {"ids": sorted(wanted)})).all()
        names |= {row.id: row.operator for row in rows}
        made_by = {row.created_by for row in rows}
        creators |= made_by
        keys = {decode_id(Prefix.OPERATOR_KEY, one) for one in made_by} - {None}
        wanted = ({row.id for row in rows} | {key for key in keys if key}) - seen
    return [_maker(one, names) for one in sorted(creators)]


def _maker(created_by: str, names: dict[UUID, str]) -> Party:
    key_id = decode_id(Prefix.OPERATOR_KEY, created_by)
    # A token's credential is its person, too.
    name = names.get(key_id, "") if key_id else created_by
    person = person_of_key(name) if key_id and name else created_by
    return Party(name=name or created_by, credential=created_by, person=person)
