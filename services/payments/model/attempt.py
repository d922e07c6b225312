"""An attempt: one numbered try of one step at one provider, under a key that never changes. Its
state says what may be true at the provider, so that nothing is sent that could pay twice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.payments.model.answer import (
    DENIAL,
    SUCCEEDED_LATE,
    Answer,
    Outcome,
)
from services.payments.model.attempt_key import key_of
from services.payments.model.payment import Failure, Payment
from services.payments.model.quote import Route
from services.payments.model.timing import (
    CLOCK_SKEW,
    DOUBTED_TRIES,
    LANDED_AFTER,
    LANDING,
    key_usable_for,
)
from services.shared.money import Money
from services.shared.recipients import Recipient
from services.shared.recipients.rails import Rail


class Step(StrEnum):
    """The operations of a payment; the words appear in provider keys and must never change."""

    COLLECTION = "collection"
    PAYOUT = "payout"
    REFUND = "refund"


class AttemptState(StrEnum):
    """The state of an attempt, by our record and by the provider's statements."""

    # Recorded, and provably nothing has been sent.
    INTENDED = "INTENDED"
    # A request may have left; the next owner looks up before anything else.
    SENT = "SENT"
    # The provider has it and will decide.
    ACCEPTED = "ACCEPTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    # No answer, event or look-up has settled it.
    UNKNOWN = "UNKNOWN"
    # It succeeded and was taken back.
    REVERSED = "REVERSED"


# One of these may still move money, or may have moved it without our knowing.
LIVE = frozenset(
    {AttemptState.INTENDED, AttemptState.SENT, AttemptState.ACCEPTED, AttemptState.UNKNOWN}
)
# By our record nothing moved, or what moved has come back.
OVER = frozenset({AttemptState.FAILED, AttemptState.REVERSED})


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
    # When one was last about to leave.
    last_sent_at: datetime | None = None
    # Until when one may leave, by the database's clock; none ever left where it is None. Whether
    # "absent" proves anything depends on it alone.
    leaves_until: datetime | None = None
    # How often one may have left.
    sends: int = 0
    # Since when nobody knows its outcome, where that is so; of one that is over or has succeeded,
    # whether that stands.
    unknown_since: datetime | None = None
    # How often in a row nothing definite was learned; drives the back-off.
    inconclusive_count: int = 0
    failure: Failure | None = None
    # How much its provider has moved under it, where that is not what the state says.
    moved: Money | None = None
    # The recipient that it was sent with, where the payment has another one by now.
    recipient: Recipient | None = None
    # The route of its payment then.
    route: Route | None = None
    # The number of the refund that it is a try of; None for any other step.
    refund: int | None = None

    def is_denied_by(self, answer: Answer) -> bool:
        """Whether the provider says that it has no such operation, although it gave us its id."""
        says_no = answer.outcome is Outcome.ABSENT or answer.code == DENIAL
        return says_no and self.provider_reference != ""

    @property
    def is_live(self) -> bool:
        """Whether it may still move money."""
        return self.state in LIVE

    @property
    def succeeded_late(self) -> bool:
        """Whether it is over by our record, and its provider says that it succeeded after all."""
        return self.state in OVER and self.code == SUCCEEDED_LATE

    @property
    def nothing(self) -> Money:
        """No money, in its currency."""
        return Money(0, self.amount.currency)

    def back(self) -> "Attempt":
        """The attempt, of which it is now known that its money has come back."""
        return self.known_to_have_moved(self.nothing)

    def standing(self, answer: "Answer") -> "Attempt":
        """The attempt after an answer that it has succeeded, also where it had come back."""
        if not self.came_back:
            return self
        return self.known_to_have_moved(answer.amount or self.amount)

    @property
    def came_back(self) -> bool:
        """Whether it counts as succeeded, and its money is known to have come back."""
        return self.state is AttemptState.SUCCEEDED and self.moved == self.nothing

    @property
    def counted(self) -> Money | None:
        """How much the payment counts as moved by it; nothing until it has succeeded."""
        return self.amount if self.state is AttemptState.SUCCEEDED else None

    def known_to_have_moved(self, amount: Money | None) -> "Attempt":
        """The attempt, of which it is now known that so much has moved under it."""
        return replace(self, moved=None if amount == self.counted else amount)

    @property
    def landed_at(self) -> datetime | None:
        """When the last request under the key has arrived or never will, by whichever clock of
        ours; None where none ever left."""
        return self.leaves_until + LANDED_AFTER if self.leaves_until else None

    @property
    def code(self) -> str:
        """The code of the last failure; empty where there is none."""
        return self.failure.code if self.failure else ""

    def taken_at(self, answer: Answer, now: datetime, skew: timedelta) -> datetime:
        """When the provider did what it answers to have done.

        Its own word counts where it can be true: not before our request was first sent, and not
        after now. Else it is the first send, before which it cannot have been.
        """
        earliest = min(self.sent_at or now, now)
        said = answer.occurred_at
        if said is None or not earliest - skew <= said <= now + skew:
            return earliest
        return said

    def answered(self, state: AttemptState, answer: Answer) -> "Attempt":
        """The attempt after an answer; a provider's reference, once known, is kept."""
        conclusive = state is not AttemptState.UNKNOWN
        return replace(
            self,
            state=state,
            provider_reference=answer.provider_reference or self.provider_reference,
            inconclusive_count=0 if conclusive else self.inconclusive_count + 1,
            # That nothing was found says nothing of why nothing was known before.
            failure=self.failure if answer.outcome is Outcome.ABSENT else answer.failure,
            moved=self._moved_after(state, answer),
        )

    def _moved_after(self, state: AttemptState, answer: Answer) -> Money | None:
        """The money known to have moved in this state; None where the state says it."""
        if state is AttemptState.UNKNOWN:
            return (answer.amount if answer.is_evidence else None) or self.moved
        differs = state is AttemptState.SUCCEEDED and answer.amount != self.amount
        return answer.amount if differs else None

    def doubted(self) -> "Attempt":
        """The attempt, asked about once more without an answer, in the state that it has."""
        return replace(self, inconclusive_count=self.inconclusive_count + 1)

    def is_doubted_for(self, patience: timedelta, now: datetime) -> bool:
        """Whether the questions about it have gone without an answer for so long, and often
        enough."""
        since = self.unknown_since or now
        return now - since >= patience and self.inconclusive_count >= DOUBTED_TRIES

    def unanswered(self, answer: Answer, *, first_send: bool) -> "Attempt":
        """The attempt after an answer that leaves open what became of it."""
        if answer.outcome is Outcome.NOT_SENT and self.failure is not None:
            # The provider was not asked: what it said last stands, and was said no more often.
            return replace(self, state=AttemptState.UNKNOWN)
        # The tries that were counted before the first send never left.
        counted = replace(self, inconclusive_count=0) if first_send else self
        return counted.answered(AttemptState.UNKNOWN, answer)


def intend(
    payment: Payment,
    step: Step,
    number: int,
    amount: Money | None = None,
    refund: int | None = None,
) -> Attempt:
    """The attempt that is about to be made, with its deterministic key.

    A refund that is given no amount gives back all that the payer has not got back yet.
    """
    at_onramp = step is not Step.PAYOUT
    if amount is None:
        amounts = {Step.PAYOUT: payment.terms.payout, Step.REFUND: payment.refundable}
        amount = amounts.get(step, payment.terms.amount)
    return Attempt(
        merchant_id=payment.merchant_id,
        payment_id=payment.id,
        step=step,
        number=number,
        provider=payment.onramp if at_onramp else payment.offramp,
        key=key_of(payment.transaction_id, step, number),
        amount=amount,
        refund=refund,
    )


def provider_after(payment: Payment, step: Step, provider: str) -> str | None:
    """The next provider of the payment's route; None after its last.

    A refund has none: only who collected the money can give it back.
    """
    if step is Step.REFUND:
        return None
    route = payment.route.onramps if step is Step.COLLECTION else payment.route.offramps
    rest = route[route.index(provider) + 1 :] if provider in route else ()
    return rest[0] if rest else None


def served_by(payment: Payment, step: Step, provider: str) -> Payment:
    """The payment with another provider for the step; the last one's acknowledgement is void."""
    if step is Step.COLLECTION:
        return replace(payment, onramp=provider)
    return replace(payment, offramp=provider, sent_at=None)


class LookUp(StrEnum):
    """When "absent" is a proof: at once, after a lag, or never."""

    STRONG = "STRONG"
    EVENTUAL = "EVENTUAL"
    NONE = "NONE"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """The declarations of a provider; decisions after an unknown outcome rest on nothing else."""

    provider: str
    key_lifetime: timedelta
    look_up: LookUp
    # How long after the last request has left "absent" still proves nothing.
    look_up_lag: timedelta
    # True where an error is the key's answer for good.
    caches_errors: bool
    # True where a forgotten reference would be done again.
    repeats_forgotten: bool
    # True where a verified event is itself the evidence, and not only a hint to look up.
    event_is_evidence: bool
    # The only failure codes that prove that nothing moved.
    definitive_failures: frozenset[str]
    # True where it can give back what it has collected.
    refunds: bool
    # True where a signature covers each event's own bytes, so that nobody else can have said it.
    signs_events: bool
    # How long after its success a payout may still come back.
    success_final_after: timedelta
    # How long an outcome may be unknown before a person must see to it.
    unknown_hold_after: timedelta
    # The definitive failures that say nothing of the recipient and may pass: no balance, a limit.
    passing_failures: frozenset[str]
    # The definitive failures that are about the recipient: no other route would pay it either.
    recipient_failures: frozenset[str]
    # How long each step takes as a rule, from its first send to its outcome.
    expected: Mapping[Step, timedelta]
    # The rails that it pays out by.
    rails: tuple[Rail, ...] = ()
    # True where it lists its events, so that those whose webhooks were lost are found.
    lists_events: bool = False
    # Whether it can be asked how a claim against a collection stands.
    looks_up_disputes: bool = False

    def absence_is_evidence(self, attempt: Attempt, asked_at: datetime) -> bool:
        """Whether "absent", as an answer to a question of then, proves that the provider never had
        the operation and never will."""
        counts_from = self.absence_counts_from(attempt)
        return self.look_up is not LookUp.NONE and (counts_from is None or asked_at > counts_from)

    def absence_counts_from(self, attempt: Attempt) -> datetime | None:
        """The moment after which "absent" proves that, its lag included; None where none left."""
        lag = self.look_up_lag if self.look_up is LookUp.EVENTUAL else timedelta(0)
        return (ends := attempt.leaves_until) and ends + CLOCK_SKEW + max(lag, LANDING)

    def may_send_again(self, attempt: Attempt, now: datetime) -> bool:
        """Whether the same key cannot be a second operation: for 80 % of its lifetime; and after it
        where the provider is known not to have the operation, and recognises forgotten keys."""
        if attempt.sent_at is None or now - attempt.sent_at < key_usable_for(self.key_lifetime):
            return True
        return not self.repeats_forgotten and self.absence_is_evidence(attempt, now)

    def is_definitive(self, failure: Failure | None) -> bool:
        """Whether a failure is one that proves that nothing moved."""
        return failure is not None and failure.code in self.definitive_failures

    def refuses_recipient(self, failure: Failure | None) -> bool:
        """Whether a failure is one that proves that this recipient cannot be paid."""
        return failure is not None and failure.code in self.recipient_failures

    def says_failed(self, answer: Answer) -> bool:
        """Whether an answer proves that nothing moved, or that what moved has come back."""
        return answer.outcome is Outcome.FAILED and (
            answer.is_a_persons or self.is_definitive(answer.failure)
        )
