"""Four eyes: one operator proposes a verb, another one approves it, and the approval and the effect
are one transaction. A proposal that is refused, withdrawn, expired or has failed stands in the log,
too."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.payments.base.paging import cut
from services.payments.engine.decisions.forced import PayoutStillOpen
from services.payments.model.operator import Operator
from services.payments.operators.agreed_verbs import WHILE_OLDER, AgreedVerb
from services.payments.operators.domain import (
    CLOCK,
    Action,
    AttemptMayArrive,
    ProviderNotAsked,
)
from services.payments.operators.finding import RecoveryRunning
from services.payments.operators.overriding import (
    AgreedOverride,
    OverrideExists,
    OverrideTooFar,
    read_override_id,
)
from services.payments.operators.policy import Lifetimes
from services.payments.operators.ports import (
    Operations,
    OperatorStores,
    OperatorTransaction,
)
from services.payments.operators.proposal import (
    ApproverIsProposer,
    Draft,
    Party,
    Proposal,
    ProposalExists,
    ProposalState,
    ProposerRevoked,
    TargetChanged,
    party_of,
    read_proposal_id,
    sha256_of,
)
from services.payments.operators.trail import Trail
from services.shared.errors import DomainError, NotAllowedNow, NotFound, OutOfRange, field_invalid
from services.shared.ids import new_id
from services.shared.rollback import repeated

# A verb that is refused for one of these cannot be done later either; for any other it may.
_FINAL = (NotAllowedNow, NotFound, OutOfRange)
# Of those, the ones that pass: a provider answers again, a payout has an outcome, no request is on
# its way any more, an override ends, the market comes back, a recovery ends.
_PASSING = (
    *(AttemptMayArrive, OverrideExists, OverrideTooFar, PayoutStillOpen, ProviderNotAsked),
    RecoveryRunning,
)


class _CannotBeDone(Exception):
    """The verb is refused for good."""

    def __init__(self, refusal: DomainError) -> None:
        self.refusal = refusal


class Proposing:
    """Proposals of all operators."""

    def __init__(
        self,
        stores: OperatorStores,
        verbs: Mapping[Action, AgreedVerb],
        trail: Trail,
        lifetimes: Lifetimes,
        refuse_older: Callable[[], None],
    ) -> None:
        """`refuse_older` raises where the database is older than what has happened."""
        self._operations: Operations = stores.operations
        self._stores = stores
        self._verbs = verbs
        self._trail = trail
        self._lifetimes = lifetimes
        self._refuse_older = refuse_older

    async def propose(self, operator: Operator, draft: Draft) -> Proposal:
        """Proposes a verb; the same one again is answered with the first.

        Raises ProposalExists, Invalid, and what refuses the verb.
        """
        async with self._trail.attempt(operator, Action.CREATE_PROPOSAL, draft.target):
            self._admit(draft.verb)
            verb = self._verbs[draft.verb]
            prepared = await verb.prepare(draft.target, draft.arguments)
            return await self._add(replace(operator, note=draft.reason), draft, verb, prepared)

    async def get(self, proposal_id: str) -> Proposal:
        """One proposal. Raises ProposalNotFound."""
        return await self._stores.proposals.get(read_proposal_id(proposal_id))

    async def list(
        self, *, state: ProposalState | None, before: UUID | None, limit: int
    ) -> tuple[Sequence[Proposal], UUID | None]:
        """A page, the newest first, and the id to go on before; None at the end."""
        found = await self._stores.proposals.page(state=state, before=before, limit=limit + 1)
        page, last = cut(found, limit)
        return page, last.id if last else None

    async def approve(self, operator: Operator, proposal_id: str, payload_sha256: str) -> Proposal:
        """Approves a proposal and does its verb, or finds that done before.

        Raises ProposalNotFound, ProposalNotOpen, ProposalExpired, ProposalMismatch,
        ApproverIsProposer, ApiKeyRevoked, ApiKeyExpired, ProposerRevoked, TargetChanged, and what
        refuses the verb.
        """
        async with self._trail.attempt(operator, Action.APPROVE_PROPOSAL, proposal_id):
            found = await self.get(proposal_id)
            self._admit(found.verb)
            by = party_of(operator)
            found.check_read(payload_sha256)
            if found.is_decided_by(by, ProposalState.APPROVED):
                return found
            found.check_other(by)
            found.check_open(await self._now())
            try:
                verb = self._verbs[Action(found.verb)]
                with _final():
                    prepared = await verb.prepare(found.target, found.arguments)
                return await self._approve(found.id, operator, payload_sha256, verb, prepared)
            except _CannotBeDone as failed:
                await self._fail(found.id, operator, failed.refusal.error_reason)
                raise failed.refusal from None

    async def refuse(self, operator: Operator, proposal_id: str) -> Proposal:
        """Refuses a proposal of another person.

        Raises ProposalNotFound, ProposalNotOpen, ProposalExpired, ApproverIsProposer.
        """
        async with self._trail.attempt(operator, Action.REFUSE_PROPOSAL, proposal_id):
            return await self._end(
                operator,
                read_proposal_id(proposal_id),
                ProposalState.REFUSED,
                Action.REFUSE_PROPOSAL,
                Proposal.check_other,
            )

    async def withdraw(self, operator: Operator, proposal_id: str) -> Proposal:
        """Withdraws a proposal of one's own.

        Raises ProposalNotFound, ProposalNotOpen, ProposalExpired, NotTheProposer.
        """
        async with self._trail.attempt(operator, Action.WITHDRAW_PROPOSAL, proposal_id):
            return await self._end(
                operator,
                read_proposal_id(proposal_id),
                ProposalState.WITHDRAWN,
                Action.WITHDRAW_PROPOSAL,
                Proposal.check_own,
            )

    async def overrides(
        self, *, before: UUID | None, limit: int
    ) -> tuple[datetime, Sequence[AgreedOverride], UUID | None]:
        """The database's time, a page of overrides, the newest first, and the id to go on before;
        None at the end."""
        found = await self._stores.overrides.page(before=before, limit=limit + 1)
        now = await self._stores.overrides.now()
        page, last = cut(found, limit)
        return now, page, last.id if last else None

    async def end_override(
        self, operator: Operator, override_id: str
    ) -> tuple[datetime, AgreedOverride]:
        """The database's time, and the override, ended now or before. Raises OverrideNotFound."""
        async with self._trail.attempt(operator, Action.END_RATE_OVERRIDE, override_id):
            ended = await self._stores.overrides.end(read_override_id(override_id), operator)
            return await self._stores.overrides.now(), ended

    async def _now(self) -> datetime:
        return await self._stores.overrides.now()

    @repeated
    async def _add(
        self, operator: Operator, draft: Draft, verb: AgreedVerb, prepared: Any
    ) -> Proposal:
        async with self._operations.begin() as transaction:
            # One that is past its time stands in nobody's way.
            await transaction.proposals.expire()
            now = await transaction.proposals.now()
            target = await verb.look(transaction, draft.target, draft.arguments, prepared)
            payload = draft.payload
            wanted = Proposal(
                id=new_id(),
                merchant_id=target.merchant_id,
                verb=draft.verb,
                target=draft.target,
                target_state=target.state,
                payload=payload,
                payload_sha256=sha256_of(payload),
                reason=draft.reason,
                proposer=party_of(operator),
                created_at=now,
                expires_at=self._end_of(draft, now),
            )
            added = await transaction.proposals.add(wanted)
            if added.id != wanted.id and await _end_dead(transaction, added):
                added = await transaction.proposals.add(wanted)
            if added.id != wanted.id:
                return _same(added, wanted)
            await transaction.log(
                operator, Action.CREATE_PROPOSAL, added.proposal_id, merchant_id=added.merchant_id
            )
            await transaction.commit()
        return added

    def _admit(self, verb: str) -> None:
        if verb not in WHILE_OLDER:
            self._refuse_older()

    def _end_of(self, draft: Draft, now: datetime) -> datetime:
        """Until when it can be approved. Raises Invalid."""
        end = draft.expires_at or now + timedelta(hours=self._lifetimes.lifetime_hours)
        most = self._lifetimes.maximum_hours
        if not now < end <= now + timedelta(hours=most):
            words = f"expires_at must be in the future, by at most {most} hours"
            raise field_invalid("expires_at", words)
        return min(end, draft.useless_at or end)

    @repeated
    async def _approve(
        self,
        proposal_id: UUID,
        operator: Operator,
        payload_sha256: str,
        verb: AgreedVerb,
        prepared: Any,
    ) -> Proposal:
        by = party_of(operator)
        async with self._operations.begin() as transaction:
            found = await transaction.proposals.lock(proposal_id)
            found.check_read(payload_sha256)
            if found.is_decided_by(by, ProposalState.APPROVED):
                return found
            await _check(transaction, found, by)
            await transaction.proposals.refuse_ended(by)
            with _final():
                if await transaction.proposals.is_revoked(found.proposer):
                    raise ProposerRevoked(proposal_id=found.proposal_id)
                target = await verb.look(transaction, found.target, found.arguments, prepared)
                if target.state != found.target_state:
                    raise TargetChanged(target=found.target)
            approved = await transaction.proposals.decide(found, ProposalState.APPROVED, by)
            note = f"{found.proposal_id} of {found.proposer.name}"
            acting = replace(operator, note=note)
            with _final():
                await verb.do(transaction, found, prepared, acting)
            await transaction.log(
                replace(operator, note=f"of {found.proposer.name}"),
                Action.APPROVE_PROPOSAL,
                found.proposal_id,
                merchant_id=found.merchant_id,
            )
            await transaction.commit()
        return approved

    @repeated
    async def _fail(self, proposal_id: UUID, operator: Operator, reason: str) -> None:
        """Writes down that an approved verb could not be done, where nobody has decided since."""
        by = party_of(operator)
        async with self._operations.begin() as transaction:
            found = await transaction.proposals.lock(proposal_id)
            if found.state is not ProposalState.PROPOSED:
                return
            await transaction.proposals.decide(found, ProposalState.FAILED, by, failure=reason)
            await transaction.log(
                replace(operator, note=reason),
                Action.FAIL_PROPOSAL,
                found.proposal_id,
                merchant_id=found.merchant_id,
            )
            await transaction.commit()

    @repeated
    async def _end(
        self,
        operator: Operator,
        proposal_id: UUID,
        state: ProposalState,
        action: Action,
        may: Callable[[Proposal, Party], None],
    ) -> Proposal:
        by = party_of(operator)
        async with self._operations.begin() as transaction:
            found = await transaction.proposals.lock(proposal_id)
            self._admit(found.verb)
            may(found, by)
            if found.is_decided_by(by, state):
                return found
            found.check_open(await transaction.proposals.now())
            other = None if state is ProposalState.WITHDRAWN else by
            ended = await transaction.proposals.decide(found, state, other, note=operator.note)
            await transaction.log(
                operator, action, found.proposal_id, merchant_id=found.merchant_id
            )
            await transaction.commit()
        return ended


async def _check(transaction: OperatorTransaction, found: Proposal, by: Party) -> None:
    """Raises ApproverIsProposer, ProposalNotOpen or ProposalExpired: by the time after the row was
    locked, which is later than the transaction's."""
    found.check_other(by)
    found.check_open(await transaction.proposals.now())
    # The text of a key is shown to its maker, who could act as both.
    for one, other in ((found.proposer, by), (by, found.proposer)):
        for maker in await transaction.proposals.makers_of(one):
            if maker.is_same_as(other):
                raise ApproverIsProposer(proposal_id=found.proposal_id)


async def _end_dead(transaction: OperatorTransaction, added: Proposal) -> bool:
    """Ends an open proposal that can never be approved, because its proposer's key was revoked, so
    that it stands in nobody's way; whether nothing does any more."""
    found = await transaction.proposals.lock(added.id)
    if found.state is not ProposalState.PROPOSED:
        return True
    if not await transaction.proposals.is_revoked(found.proposer):
        return False
    failure = ProposerRevoked.reason
    await transaction.proposals.decide(found, ProposalState.EXPIRED, None, failure=failure)
    await transaction.log(
        Operator(name=CLOCK, note=f"of {found.proposer.name}: {failure}"),
        Action.EXPIRE_PROPOSAL,
        found.proposal_id,
        merchant_id=found.merchant_id,
    )
    return True


def _same(added: Proposal, wanted: Proposal) -> Proposal:
    """The open proposal, where it is the one that is proposed again. Raises ProposalExists."""
    is_same = added.payload_sha256 == wanted.payload_sha256
    if is_same and added.proposer.person == wanted.proposer.person:
        return added
    raise ProposalExists(proposal_id=added.proposal_id)


@contextmanager
def _final() -> Iterator[None]:
    """Raises _CannotBeDone for a refusal of the verb that no later approval would change."""
    try:
        yield
    except _PASSING:
        raise
    except _FINAL as refusal:
        raise _CannotBeDone(refusal) from None
