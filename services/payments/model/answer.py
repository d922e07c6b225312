"""A statement about an attempt: an answer to our own request, a provider's event, or the statement
of an operator; with the codes by which the engine distinguishes them. Attempts are in attempt."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.payments.model.actor import is_operator
from services.payments.model.payer import NextAction
from services.payments.model.payment import Failure
from services.shared.money import Money


class Outcome(StrEnum):
    """The result of an operation, as an answer, an event or a look-up states it."""

    SUCCEEDED = "SUCCEEDED"
    PENDING = "PENDING"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    ABSENT = "ABSENT"
    # This try provably never left; says nothing about an earlier try.
    NOT_SENT = "NOT_SENT"
    # This try was refused for good and moved nothing; says nothing about an earlier try either.
    REFUSED = "REFUSED"


# Codes of an UNKNOWN that say more than that nobody knows.
# The provider shows an operation under our key that is not ours.
REFERENCE_MISMATCH = "reference_mismatch"
MISMATCHES = frozenset({"amount_mismatch", REFERENCE_MISMATCH})
# It does not know the id that it gave us.
DENIAL = "reference_unknown"
# It answered, with an error.
FAULT = "provider_fault"
# It gave a status that none of its documents names.
UNDOCUMENTED = "unknown_status"
# The provider has it, nothing has moved, and nothing will until we send it again.
UNFUNDED = "transfer_unfunded"
# Codes of a failure that are ours, and not a provider's.
# An operator has stated it.
STATED = "stated_by_operator"
# No request ever left, so there is nothing to ask about.
NEVER_LEFT = "never_left"
# Sent as often as may be, and the provider provably has nothing under the key.
NOT_ACCEPTED = "not_accepted"
# By our record it had failed or come back, and the provider says that it succeeded.
SUCCEEDED_LATE = "succeeded_late"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A statement about an attempt, with its source."""

    outcome: Outcome
    provider_reference: str = ""
    amount: Money | None = None
    failure: Failure | None = None
    # "worker" for an answer we asked for, "provider:<name>" for an event, "operator:<name>" for
    # what a person states.
    actor: str = "worker"
    # Id of the webhook event, where one brought the answer, and our key, where it repeats it.
    event_id: str = ""
    key: str = ""
    # Nothing is tried again before so much time has passed.
    retry_after: timedelta = timedelta(0)
    # Whether its bytes were signed, so that nobody but the provider can have written them.
    signed: bool = False
    # When the provider did it, by the provider's own clock, where it says.
    occurred_at: datetime | None = None
    # The action that it waits for, of its payer.
    next_action: NextAction | None = None

    @property
    def is_evidence(self) -> bool:
        """Whether it is an answer that was asked for, or has a signature: anybody may send an event
        that has none."""
        return self.signed or not self.event_id

    @property
    def is_a_persons(self) -> bool:
        """Whether an operator states it, by evidence that no provider gives."""
        return is_operator(self.actor)

    @property
    def code(self) -> str:
        """The failure's code; empty where there is none."""
        return self.failure.code if self.failure else ""
