"""A proposal: a verb with all that it is done with, which one person proposes and another decides
about. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.payments.model.operator import Operator, folded
from services.payments.operators.domain import Action
from services.shared.errors import Forbidden, NotAllowedNow, NotFound
from services.shared.ids import Prefix, decode_id, encode_id


class ProposalNotFound(NotFound):
    """No proposal has this id."""

    reason = "PROPOSAL_NOT_FOUND"


class ProposalExists(NotAllowedNow):
    """A proposal of this verb is open for this target; it is decided first."""

    reason = "PROPOSAL_EXISTS"


class ProposalNotOpen(NotAllowedNow):
    """The proposal was decided, withdrawn or has failed."""

    reason = "PROPOSAL_NOT_OPEN"


class ProposalExpired(NotAllowedNow):
    """Nobody decided about the proposal in time; propose it again."""

    reason = "PROPOSAL_EXPIRED"


class ProposalMismatch(NotAllowedNow):
    """The proposal is another one than the one that was read."""

    reason = "PROPOSAL_MISMATCH"


class ApproverIsProposer(Forbidden):
    """The one who has proposed it cannot decide about it; another person can."""

    reason = "APPROVER_IS_PROPOSER"


class NotTheProposer(Forbidden):
    """Only the one who has proposed it withdraws it; another person refuses it."""

    reason = "NOT_THE_PROPOSER"


class ProposerRevoked(NotAllowedNow):
    """The key of the proposer was revoked since; propose it again."""

    reason = "PROPOSER_REVOKED"


class TargetChanged(NotAllowedNow):
    """The target has changed since the proposal; look at it, and propose it again."""

    reason = "TARGET_CHANGED"


class ProposalState(StrEnum):
    """The states of a proposal; the names of the public API. Only PROPOSED can be left."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True)
class Party:
    """One of the two, as a proposal keeps them."""

    name: str
    credential: str
    person: str

    def is_same_as(self, other: "Party") -> bool:
        """Whether both are one person, with as little doubt as the credentials allow: a key and a
        token of one name count as one, too."""
        return (
            self.person == other.person
            or self.credential == other.credential
            or folded(self.name) == folded(other.name)
        )


def party_of(operator: Operator) -> Party:
    """The operator as a party. A sandbox's call without a credential has the person as one."""
    return Party(
        name=operator.name,
        credential=operator.credential_id or operator.person,
        person=operator.person,
    )


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A verb as it is proposed."""

    verb: Action
    target: str
    # The verb's arguments as JSON has them; numbers of money and rates are texts.
    arguments: Mapping[str, Any]
    reason: str
    # None: as long as is usual.
    expires_at: datetime | None = None
    # From then on the verb can no longer be done; None where it always can.
    useless_at: datetime | None = None

    @property
    def payload(self) -> str:
        """All that will be done, in the one way of writing it."""
        parts = {
            "arguments": self.arguments,
            "reason": self.reason,
            "target": self.target,
            "verb": self.verb,
        }
        return json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_of(payload: str) -> str:
    """The name of a payload."""
    return hashlib.sha256(payload.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A proposal as the database has it."""

    id: UUID
    merchant_id: str
    verb: str
    target: str
    # How the target stood when it was proposed.
    target_state: str
    payload: str
    payload_sha256: str
    reason: str
    proposer: Party
    created_at: datetime
    expires_at: datetime
    state: ProposalState = ProposalState.PROPOSED
    # The one who has approved or refused it.
    approver: Party | None = None
    decided_at: datetime | None = None
    note: str = ""
    failure: str = ""

    @property
    def proposal_id(self) -> str:
        """The public id, for example prp_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.PROPOSAL, self.id)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The verb's arguments."""
        arguments: Mapping[str, Any] = json.loads(self.payload)["arguments"]
        return arguments

    def is_decided_by(self, party: Party, state: ProposalState) -> bool:
        """Whether the person has brought it to this state already, as a repeated call finds it."""
        by = self.proposer if state is ProposalState.WITHDRAWN else self.approver
        return self.state is state and by is not None and by.person == party.person

    def check_open(self, now: datetime) -> None:
        """Raises ProposalNotOpen or ProposalExpired."""
        if self.state is ProposalState.EXPIRED:
            raise ProposalExpired(proposal_id=self.proposal_id)
        if self.state is not ProposalState.PROPOSED:
            raise ProposalNotOpen(proposal_id=self.proposal_id, state=self.state)
        if now >= self.expires_at:
            raise ProposalExpired(proposal_id=self.proposal_id)

    def check_other(self, party: Party) -> None:
        """Raises ApproverIsProposer."""
        if self.proposer.is_same_as(party):
            raise ApproverIsProposer(proposal_id=self.proposal_id)

    def check_own(self, party: Party) -> None:
        """Raises NotTheProposer."""
        if self.proposer.person != party.person:
            raise NotTheProposer(proposal_id=self.proposal_id)

    def check_read(self, payload_sha256: str) -> None:
        """Raises ProposalMismatch where another payload was read, or this one is not the hashed."""
        if payload_sha256 != self.payload_sha256 or sha256_of(self.payload) != payload_sha256:
            raise ProposalMismatch(proposal_id=self.proposal_id)


def read_proposal_id(text: str) -> UUID:
    """The id behind a public one. Raises ProposalNotFound."""
    proposal_id = decode_id(Prefix.PROPOSAL, text)
    if proposal_id is None:
        raise ProposalNotFound(proposal_id=text)
    return proposal_id
