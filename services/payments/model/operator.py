"""Operators and their actions. The verbs themselves are in the folder operators."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.payments.model.actor import operator_actor
from services.payments.model.principal import CredentialKind, Principal
from services.shared.ids import Prefix, encode_id


@dataclass(frozen=True, kw_only=True)
class Operator:
    """The person who acts, as the credential says, with the reason."""

    name: str
    note: str = ""
    # Public id of the credential; empty where a sandbox needed none.
    credential_id: str = ""
    # The address, as the gateway saw it.
    address: str = ""
    request_id: str = ""
    # The same for all credentials of one person: all keys under one name, all tokens of one subject
    # of an issuer. Empty where an action is read from the log.
    person: str = ""

    @property
    def actor(self) -> str:
        """The name under which a payment's history has it."""
        return operator_actor(self.name)

    @property
    def created_by(self) -> str:
        """The `created_by` of a key that it makes."""
        return self.credential_id or self.name


def operator_of(principal: Principal, note: str = "") -> Operator:
    """The operator behind a credential."""
    return Operator(
        name=principal.name,
        note=note,
        credential_id=principal.credential_id,
        address=principal.address,
        request_id=principal.request_id,
        person=_person_of(principal),
    )


def _person_of(principal: Principal) -> str:
    if principal.kind is CredentialKind.OPERATOR_TOKEN:
        return principal.credential_id
    return person_of_key(principal.name)


def person_of_key(name: str) -> str:
    """The person of all keys under an operator's name."""
    return operator_actor(folded(name))


def folded(name: str) -> str:
    """A name as it is compared: by NFKC with all letters case-folded, because an issuer of tokens
    may write one name in several forms."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


@dataclass(frozen=True, kw_only=True)
class OperatorAction:
    """One thing that an operator did, or tried to do; it is never changed afterwards."""

    id: UUID
    operator: Operator
    # An Action, or the name that another version of the software has for one.
    action: str
    # A dead letter's or a payment's public id; empty where a call was refused before it was read.
    subject: str
    acted_at: datetime
    # The merchant of the subject; empty where it has none.
    merchant_id: str = ""
    # The reason of the refusal; empty for what was done.
    refusal: str = ""
    # The provider's own answer, where it was asked.
    provider_answer: str = ""

    @property
    def action_id(self) -> str:
        """The public id, for example act_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.ACTION, self.id)


@dataclass(frozen=True, kw_only=True)
class UnreadableAction:
    """An action whose record cannot be read, named in the log of the others."""

    id: UUID

    @property
    def action_id(self) -> str:
        """The public id, for example act_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.ACTION, self.id)


@dataclass(frozen=True, kw_only=True)
class ActionFilter:
    """Which actions to list; absent fields do not filter."""

    merchant_id: str | None = None
    operator: str | None = None
    action: str | None = None
    subject: str | None = None
    # From the one time until before the other.
    acted_after: datetime | None = None
    acted_before: datetime | None = None
