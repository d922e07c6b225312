"""Operators and their actions. The verbs themselves are in the folder operators."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.shared.ids import encode_id


@dataclass(frozen=True, kw_only=True)
class Operator:
    """The person who acts, with the reason."""

    name: str
    note: str = ""

    @property
    def actor(self) -> str:
        """The name under which a payment's history has it."""
        return f"operator:{self.name}"


@dataclass(frozen=True, kw_only=True)
class OperatorAction:
    """One thing that an operator did; it is never changed afterwards."""

    id: UUID
    operator: Operator
    # An Action, or the name that another version of the software has for one.
    action: str
    # A dead letter's or a payment's public id.
    subject: str
    acted_at: datetime

    @property
    def action_id(self) -> str:
        """The public id."""
        return encode_id("act", self.id)


@dataclass(frozen=True, kw_only=True)
class UnreadableAction:
    """An action whose record cannot be read, named in the log of the others."""

    id: UUID

    @property
    def action_id(self) -> str:
        """The public id."""
        return encode_id("act", self.id)
