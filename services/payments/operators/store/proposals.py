"""Proposals on PostgreSQL: within the transaction of a verb, and their lists. A decision locks the
proposal's row first, so that of two at once the second finds it decided."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import tables
from services.payments.base.columns import columns, given, names, parameters
from services.payments.merchants.store import read_operator_key
from services.payments.model.operator import Operator
from services.payments.operators.domain import CLOCK, Action
from services.payments.operators.proposal import (
    Party,
    Proposal,
    ProposalExists,
    ProposalNotFound,
    ProposalState,
)
from services.payments.operators.store.actions import log_action
from services.payments.operators.store.makers import makers_of
from services.shared.db import autocommitted, connected
from services.shared.ids import Prefix, decode_id, encode_id
from services.shared.rollback import repeated

_TABLE = tables.proposals
_COLUMNS, _GIVEN = columns(_TABLE), given(_TABLE)
_NOW = text("SELECT clock_timestamp()")
_ADD = text(
    f"""
    INSERT INTO proposals ({names(_GIVEN)})
    VALUES ({parameters(_GIVEN)})
    ON CONFLICT (verb, target) WHERE state = 'PROPOSED' DO NOTHING
    RETURNING {_COLUMNS}
    """
)
_OPEN = text(
    f"SELECT {_COLUMNS} FROM proposals WHERE verb = :verb AND target = :target "
    "AND state = 'PROPOSED'"
)
_LOCK = text(f"SELECT {_COLUMNS} FROM proposals WHERE id = :id FOR UPDATE")
_DECIDE = text(
    f"""
    UPDATE proposals
       SET state = :state, approver = :approver, approver_credential = :approver_credential,
           approver_person = :approver_person, decided_at = clock_timestamp(), note = :note,
           failure = :failure
     WHERE id = :id AND state = 'PROPOSED'
    RETURNING {_COLUMNS}
    """
)
_EXPIRE = text(
    f"""
    UPDATE proposals
       SET state = 'EXPIRED', decided_at = clock_timestamp()
     WHERE id IN (SELECT id FROM proposals
                   WHERE state = 'PROPOSED' AND expires_at <= clock_timestamp()
                   ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
    """
)
# A key, and those that have replaced it. Rolled at once it is revoked as well, in the moment in
# which the next one is made; any other moment is that of a person or of a report.
_REVOKED = text(
    """
    WITH RECURSIVE chain AS (
        SELECT id, rolled_to, revoked_at, leak_place FROM operator_keys WHERE id = :id
        UNION
        SELECT k.id, k.rolled_to, k.revoked_at, k.leak_place
          FROM operator_keys k JOIN chain c ON k.id = c.rolled_to
    )
    SELECT EXISTS (SELECT FROM chain
                     LEFT JOIN operator_keys new ON new.id = chain.rolled_to
                    WHERE chain.revoked_at IS NOT NULL
                      AND (chain.leak_place IS NOT NULL
                           OR chain.revoked_at IS DISTINCT FROM new.created_at))
    """
)
# So many expire in one transaction.
EXPIRED_AT_ONCE = 100
ADD_TRIES = 3


class ProposalRows:
    """The proposals, within a transaction. See the port of the same name."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def now(self) -> datetime:
        """See ProposalRows.now."""
        now: datetime = (await self._connection.execute(_NOW)).scalar_one()
        return now

    async def add(self, proposal: Proposal) -> Proposal:
        """See ProposalRows.add."""
        values = {
            "id": proposal.id,
            "merchant_id": proposal.merchant_id,
            "verb": proposal.verb,
            "target": proposal.target,
            "target_state": proposal.target_state,
            "payload": proposal.payload.encode(),
            "payload_sha256": proposal.payload_sha256,
            "reason": proposal.reason,
            **_party_values("proposer", proposal.proposer),
            "expires_at": proposal.expires_at,
        }
        which = {"verb": proposal.verb, "target": proposal.target}
        for _ in range(ADD_TRIES):
            added = (await self._connection.execute(_ADD, values)).one_or_none()
            # The one in its way may be decided between the two statements.
            found = added or (await self._connection.execute(_OPEN, which)).one_or_none()
            if found is not None:
                return read_proposal(found)
        raise ProposalExists(proposal_id="")

    async def lock(self, proposal_id: UUID) -> Proposal:
        """See ProposalRows.lock."""
        found = (await self._connection.execute(_LOCK, {"id": proposal_id})).one_or_none()
        if found is None:
            raise ProposalNotFound(proposal_id=encode_id(Prefix.PROPOSAL, proposal_id))
        return read_proposal(found)

    async def decide(
        self,
        proposal: Proposal,
        state: ProposalState,
        by: Party | None,
        *,
        note: str = "",
        failure: str = "",
    ) -> Proposal:
        """See ProposalRows.decide."""
        values = {
            "id": proposal.id,
            "state": state,
            **_party_values("approver", by),
            "note": note,
            "failure": failure,
        }
        return read_proposal((await self._connection.execute(_DECIDE, values)).one())

    async def is_revoked(self, party: Party) -> bool:
        """See ProposalRows.is_revoked."""
        key_id = decode_id(Prefix.OPERATOR_KEY, party.credential)
        if key_id is None:
            return False
        found = await self._connection.execute(_REVOKED, {"id": key_id})
        return bool(found.scalar_one())

    async def makers_of(self, party: Party) -> Sequence[Party]:
        """See ProposalRows.makers_of."""
        return await makers_of(self._connection, party)

    async def refuse_ended(self, party: Party) -> None:
        """See ProposalRows.refuse_ended."""
        key_id = decode_id(Prefix.OPERATOR_KEY, party.credential)
        if key_id is None:
            return
        query = select(tables.operator_keys).where(tables.operator_keys.c.id == key_id)
        # A sandbox's own is in no table.
        if row := (await self._connection.execute(query)).one_or_none():
            read_operator_key(row).check_usable(await self.now())

    async def expire(self) -> Sequence[Proposal]:
        """See ProposalRows.expire."""
        found = await self._connection.execute(_EXPIRE, {"limit": EXPIRED_AT_ONCE})
        expired = [read_proposal(row) for row in found]
        for proposal in expired:
            await log_action(
                self._connection,
                Operator(name=CLOCK, note=f"of {proposal.proposer.name}"),
                Action.EXPIRE_PROPOSAL,
                proposal.proposal_id,
                merchant_id=proposal.merchant_id,
            )
        return expired


class PostgresProposals:
    """The port ProposalStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = autocommitted(engine)

    @repeated
    async def get(self, proposal_id: UUID) -> Proposal:
        """See ProposalStore.get."""
        query = select(_TABLE).where(_TABLE.c.id == proposal_id)
        async with connected(self._reader) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise ProposalNotFound(proposal_id=encode_id(Prefix.PROPOSAL, proposal_id))
        return read_proposal(row)

    @repeated
    async def page(
        self, *, state: ProposalState | None, before: UUID | None, limit: int
    ) -> Sequence[Proposal]:
        """See ProposalStore.page."""
        query = select(_TABLE)
        if state is not None:
            query = query.where(_TABLE.c.state == state)
        if before is not None:
            query = query.where(_TABLE.c.id < before)
        async with connected(self._reader) as connection:
            found = await connection.execute(query.order_by(_TABLE.c.id.desc()).limit(limit))
            return [read_proposal(row) for row in found]

    @repeated
    async def expire(self) -> int:
        """See ProposalStore.expire."""
        async with connected(self._engine) as connection:
            expired = await ProposalRows(connection).expire()
            if expired:
                await connection.commit()
        return len(expired)


def read_proposal(row: Row[Any]) -> Proposal:
    """The proposal of a row."""
    proposal = Proposal(
        id=row.id,
        merchant_id=row.merchant_id,
        verb=row.verb,
        target=row.target,
        target_state=row.target_state,
        payload=bytes(row.payload).decode(),
        payload_sha256=row.payload_sha256,
        reason=row.reason,
        proposer=Party(
            name=row.proposer, credential=row.proposer_credential, person=row.proposer_person
        ),
        created_at=row.created_at,
        expires_at=row.expires_at,
        state=ProposalState(row.state),
        decided_at=row.decided_at,
        note=row.note,
        failure=row.failure,
    )
    if row.approver is None:
        return proposal
    approver = Party(
        name=row.approver, credential=row.approver_credential, person=row.approver_person
    )
    return replace(proposal, approver=approver)


def _party_values(role: str, party: Party | None) -> dict[str, str | None]:
    return {
        role: party.name if party else None,
        f"{role}_credential": party.credential if party else None,
        f"{role}_person": party.person if party else None,
    }
