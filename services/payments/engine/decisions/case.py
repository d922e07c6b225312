"""An answer about an attempt, with all that its move depends on: the situation of the payment and
the meaning of the answer. The move for each pair of them stands in table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from services.payments.engine.decisions.facts import Work
from services.payments.engine.decisions.inbox_events import answer_or_event
from services.payments.engine.decisions.refunds import keys_of
from services.payments.engine.decisions.waiting import evidence_of, live
from services.payments.model.answer import DENIAL, MISMATCHES, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Capabilities, LookUp, Step
from services.payments.model.holds import HoldReason
from services.payments.model.payer import NOT_ACTED, UNPAID
from services.payments.model.payment import Payment

# A provider that is not in this deployment has declared nothing.
NOTHING_DECLARED = Capabilities(
    provider="",
    key_lifetime=timedelta(0),
    look_up=LookUp.NONE,
    look_up_lag=timedelta(0),
    caches_errors=False,
    repeats_forgotten=True,
    event_is_evidence=False,
    definitive_failures=frozenset(),
    refunds=False,
    signs_events=False,
    success_final_after=timedelta(0),
    unknown_hold_after=timedelta(0),
    passing_failures=frozenset(),
    recipient_failures=frozenset(),
    expected={},
)


def said_of_key(work: Work, answer: Answer) -> Answer:
    """The answer to a send, as one about its key: a refusal of this try alone ends the attempt
    where nothing had left before, and else leaves it open."""
    if answer.outcome is not Outcome.REFUSED:
        return answer
    return replace(answer, outcome=Outcome.FAILED if work.first_send else Outcome.UNKNOWN)


class Situation(Enum):
    """How a payment stands when an answer about one of its attempts comes."""

    # An event states a success against our record: the provider was asked about it.
    DISPUTED = "DISPUTED"
    # An event states another end of money that stands in our book: the provider was asked.
    RECOUNTED = "RECOUNTED"
    # A refund, or a payout to a corrected recipient, waits to be sent: the provider was asked
    # about a payout before it.
    BEFORE_SEND = "BEFORE_SEND"
    # On hold because the provider shows another amount.
    OTHER_AMOUNT = "OTHER_AMOUNT"
    # On hold for any reason; an event says that the attempt that counts has failed after all.
    DONE_ON_HOLD = "DONE_ON_HOLD"
    # On hold for another reason.
    ON_HOLD = "ON_HOLD"
    # The attempt is open, and another one of its step has succeeded after its end.
    BESIDE = "BESIDE"
    # The collection is open, but it was cancelled or its quote has expired.
    UNWANTED = "UNWANTED"
    # The attempt is open.
    OPEN = "OPEN"
    # The attempt has succeeded, and is asked about once more.
    SUCCEEDED = "SUCCEEDED"
    # The attempt had ended otherwise, and is said to have succeeded.
    ENDED = "ENDED"


class Meaning(StrEnum):
    """The meaning of an answer, by the declarations of its provider."""

    SUCCEEDED = "SUCCEEDED"
    # The provider shows an operation under our key that is not ours.
    MISMATCH = "MISMATCH"
    PENDING = "PENDING"
    # It proves that nothing moved, or that the money has come back.
    FAILED = "FAILED"
    # The same, because this recipient cannot be paid.
    REFUSED = "REFUSED"
    # The same, because a payer who is present has not acted in time.
    PAYER_AWAY = "PAYER_AWAY"
    NOT_SENT = "NOT_SENT"
    # The provider has nothing under the key.
    ABSENT = "ABSENT"
    # The provider does not know the id that it gave us.
    DENIED = "DENIED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An answer about the attempt of a claimed payment."""

    work: Work
    answer: Answer
    now: datetime
    # The declarations of each provider.
    providers: Mapping[str, Capabilities]
    # Gives numbers in [0, 1) that keep retries of many payments apart.
    spread: Callable[[], float]

    @property
    def attempt(self) -> Attempt:
        """The attempt that the answer is about. Raises ValueError where there is none."""
        return live(self.work)

    @property
    def payment(self) -> Payment:
        """The payment as it was claimed."""
        return self.work.payment

    @property
    def capabilities(self) -> Capabilities:
        """The declarations of the attempt's provider; none where it is not in this deployment."""
        return self.providers.get(self.attempt.provider, NOTHING_DECLARED)

    @property
    def asked_at(self) -> datetime:
        """The earliest moment at which the provider can have been asked; the answer, recorded at
        `now`, may be as old."""
        return self.work.claimed_at

    @property
    def is_absence_proven(self) -> bool:
        """Whether a provider that has nothing under the key can have nothing any more."""
        return self.capabilities.absence_is_evidence(self.attempt, self.asked_at)

    @property
    def is_denial_certain(self) -> bool:
        """Whether a provider that does not show an operation which it has named or done contradicts
        itself. It has that operation, so only a look-up that lags may not show it yet."""
        return self.capabilities.look_up is LookUp.STRONG or self.is_absence_proven

    @property
    def evidence(self) -> dict[str, str]:
        """The evidence of the move's event."""
        return evidence_of(self.attempt, self.answer)

    @property
    def tries(self) -> int:
        """Which try of its operation the attempt is: of a payout, since the correction; of a
        refund, among its own."""
        if self.attempt.step is Step.REFUND:
            return keys_of(self.work, self.attempt)
        corrected = self.attempt.step is Step.PAYOUT
        return self.attempt.number - (self.work.before_correction if corrected else 0)

    def situation(self) -> Situation:
        """How the payment stands."""
        if self.work.disputed is not None:
            failed = self.work.disputed.answer.outcome is Outcome.FAILED
            recounted = failed or self.attempt.state is AttemptState.SUCCEEDED
            return Situation.RECOUNTED if recounted else Situation.DISPUTED
        if self.work.to_send is not None:
            return Situation.BEFORE_SEND
        if self.payment.hold_reason is not None:
            if self.attempt.state is AttemptState.SUCCEEDED:
                return Situation.DONE_ON_HOLD
            mismatch = self.payment.hold_reason == HoldReason.AMOUNT_MISMATCH
            return Situation.OTHER_AMOUNT if mismatch else Situation.ON_HOLD
        if self.attempt.is_live:
            return self._open_situation()
        succeeded = self.attempt.state is AttemptState.SUCCEEDED
        return Situation.SUCCEEDED if succeeded else Situation.ENDED

    def _open_situation(self) -> Situation:
        if self.work.succeeded_late(self.attempt.step) is not None:
            return Situation.BESIDE
        return Situation.UNWANTED if self.payment.is_unwanted(self.now) else Situation.OPEN

    def with_event(self) -> "Case":
        """The case with an event's statement, where the answer is of no help."""
        known = self.capabilities
        return replace(self, answer=answer_or_event(self.work, self.attempt, known, self.answer))

    def meaning(self) -> Meaning:
        """The meaning of the answer. A failure that proves nothing counts as no answer."""
        outcome, code = self.answer.outcome, self.answer.code
        if outcome in (Outcome.SUCCEEDED, Outcome.PENDING, Outcome.NOT_SENT, Outcome.ABSENT):
            return Meaning(outcome.value)
        if code in MISMATCHES:
            return Meaning.MISMATCH
        if self.capabilities.says_failed(self.answer):
            return self._failure()
        return Meaning.DENIED if code == DENIAL else Meaning.UNKNOWN

    def _failure(self) -> Meaning:
        """The meaning of a definitive failure."""
        if self.capabilities.refuses_recipient(self.answer.failure):
            return Meaning.REFUSED
        waited = self.payment.payer is not None and self.attempt.step is Step.COLLECTION
        # Before the end a cancelled one was cancelled by somebody else.
        over = UNPAID if self.payment.is_unwanted(self.now) else {NOT_ACTED}
        return Meaning.PAYER_AWAY if waited and self.answer.code in over else Meaning.FAILED
