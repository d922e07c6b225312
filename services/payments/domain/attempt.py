"""An attempt: one numbered try of one step at one provider, under a key that never changes. Its
state says what may be true at the provider, so that nothing is sent that could pay twice."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.payments.domain.payment import Failure, Payment
from services.shared.money import Money


class Step(StrEnum):
    """What is tried; the words appear in provider keys and must never change."""

    COLLECTION = "collection"
    PAYOUT = "payout"


class AttemptState(StrEnum):
    """What may be true at the provider."""

    # Recorded, and provably nothing has been sent.
    INTENDED = "INTENDED"
    # A request may have left; whoever finds this looks up before anything else.
    SENT = "SENT"
    # The provider has it and will decide.
    ACCEPTED = "ACCEPTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    # Nobody knows.
    UNKNOWN = "UNKNOWN"
    # It succeeded and was taken back.
    REVERSED = "REVERSED"


# While one of these stands, no other attempt of the step may exist: a unique index says the same.
LIVE = frozenset(
    {
        AttemptState.INTENDED,
        AttemptState.SENT,
        AttemptState.ACCEPTED,
        AttemptState.SUCCEEDED,
        AttemptState.UNKNOWN,
    }
)


class Outcome(StrEnum):
    """What a provider's answer, event or look-up says."""

    SUCCEEDED = "SUCCEEDED"
    PENDING = "PENDING"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    ABSENT = "ABSENT"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became known about an attempt, and from where."""

    outcome: Outcome
    provider_reference: str = ""
    amount: Money | None = None
    failure: Failure | None = None
    # "worker" for an answer we asked for, "provider:<name>" for an event.
    actor: str = "worker"
    # Id of the webhook event, where one brought the answer.
    event_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One numbered try of one step."""

    merchant_id: str
    payment_id: UUID
    step: Step
    number: int
    provider: str
    key: str
    amount: Money
    state: AttemptState = AttemptState.INTENDED
    provider_reference: str = ""
    # When a request may first have left; bounds how long the key can be used.
    sent_at: datetime | None = None
    # How often in a row nothing definite was learned; drives the back-off.
    inconclusive_count: int = 0
    failure: Failure | None = None

    def answered(self, state: AttemptState, answer: Answer) -> "Attempt":
        """The attempt after an answer; a provider's reference, once known, is kept."""
        conclusive = state is not AttemptState.UNKNOWN
        return replace(
            self,
            state=state,
            provider_reference=answer.provider_reference or self.provider_reference,
            inconclusive_count=0 if conclusive else self.inconclusive_count + 1,
            failure=answer.failure,
        )


def intend(payment: Payment, step: Step, number: int) -> Attempt:
    """The attempt that is about to be made, with its deterministic key."""
    collecting = step is Step.COLLECTION
    return Attempt(
        merchant_id=payment.merchant_id,
        payment_id=payment.id,
        step=step,
        number=number,
        provider=payment.onramp if collecting else payment.offramp,
        key=f"{payment.transaction_id}-{step}-{number}",
        amount=payment.terms.amount if collecting else payment.terms.payout,
    )


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a provider has declared; decisions after an unknown outcome rest on nothing else."""

    provider: str
    key_lifetime: timedelta
    # False where the provider cannot be asked by our reference.
    can_look_up: bool
    # True where a verified event is itself the evidence, and not only a hint to look up.
    event_is_evidence: bool

    def may_send_again(self, attempt: Attempt, now: datetime) -> bool:
        """Whether the same key still means the same operation: up to 80 % of its lifetime."""
        return attempt.sent_at is None or now - attempt.sent_at < self.key_lifetime * 4 / 5
