"""An attempt whose outcome is open: accepted, not sent, or unknown. It is asked about at growing
intervals, sent again only so often, and given to a person after the time that its provider
declares."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.moves import fail, fail_over, retire
from services.payments.engine.decisions.news import heard
from services.payments.engine.decisions.suspense import mismatch
from services.payments.engine.decisions.waiting import evidence_of, hold, release
from services.payments.model.attempt import (
    DENIAL,
    FAULT,
    MISMATCHES,
    NEVER_LEFT,
    NOT_ACCEPTED,
    UNDOCUMENTED,
    Answer,
    Attempt,
    AttemptState,
    Capabilities,
    Outcome,
    Step,
    provider_after,
)
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Failure
from services.payments.model.timing import (
    CACHED_ERRORS,
    HELD_POLL,
    KEYS_MAX,
    NOT_SENT_TRIES,
    SEND_DEADLINE,
    SENDS_MAX,
    STATUS_TRIES,
    poll_in,
    retry_in,
)

# Held for one of these, a payment waits for its attempt's outcome alone, which may still come.
ENDED_BY_OUTCOME = frozenset({HoldReason.OUTCOME_UNKNOWN, HoldReason.UNKNOWN_STATUS})


class Unknowns:
    """Decides by what each provider has declared of itself."""

    def __init__(
        self, capabilities: Mapping[str, Capabilities], spread: Callable[[], float]
    ) -> None:
        self._capabilities = capabilities
        self._spread = spread

    def accept(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """The provider has it and will decide."""
        used = heard(work, attempt)
        released = release(work, due_in=poll_in(attempt.sent_at, now), closed_news=used)
        if attempt.state is AttemptState.ACCEPTED:
            return released
        payment, event = work.payment.noted(
            actor=answer.actor, cause=f"{attempt.step}_accepted", **evidence_of(attempt, answer)
        )
        if attempt.step is Step.PAYOUT:
            payment = replace(payment, sent_at=payment.sent_at or now)
        return replace(
            released,
            payment=payment,
            attempt=attempt.answered(AttemptState.ACCEPTED, answer),
            events=(event,),
        )

    def not_sent(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """Nothing left: the next provider, the same key a little later, or a rest of the route."""
        never = Failure(code=NEVER_LEFT, message=answer.code or "it was not sent")
        following = provider_after(work.payment, attempt.step, attempt.provider)
        if following is not None:
            change = fail_over(work, attempt, answer, following, now)
            return replace(
                change, attempt=replace(attempt, state=AttemptState.FAILED, failure=never)
            )
        tried = attempt.inconclusive_count + 1
        if attempt.step is Step.PAYOUT and tried >= NOT_SENT_TRIES:
            refused = replace(answer, outcome=Outcome.FAILED, failure=never)
            return self.fail(work, attempt, refused, now)
        change = replace(
            release(work, due_in=retry_in(attempt, answer, self._spread())),
            attempt=replace(
                attempt.answered(AttemptState.UNKNOWN, answer), state=AttemptState.INTENDED
            ),
        )
        if attempt.inconclusive_count:
            return change
        payment, event = work.payment.noted(
            actor="worker", cause=f"{attempt.step}_not_sent", **evidence_of(attempt, answer)
        )
        return replace(change, payment=payment, events=(event,))

    def fail(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """A definitive no, of the recipient or of the route."""
        capabilities = self._capabilities[attempt.provider]
        passing = answer.code in (NEVER_LEFT, NOT_ACCEPTED, *capabilities.passing_failures)
        onramp = self._capabilities.get(work.payment.onramp)
        refundable = onramp is not None and onramp.refunds
        return fail(work, attempt, answer, now, refundable=refundable, passing=passing)

    def absent(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """The provider has nothing under the key. Where nothing can still arrive and sending again
        is of no more use, that ends the attempt."""
        proven = self.is_proven_absent(attempt, now)
        if proven and self.is_spent(attempt):
            if attempt.number < KEYS_MAX:
                return retire(work, attempt, now)
            return self._held(work, attempt, answer, HoldReason.OUTCOME_UNKNOWN)
        if proven and attempt.sends >= SENDS_MAX:
            message = attempt.failure.message if attempt.failure else "no answer"
            refused = replace(
                answer, outcome=Outcome.FAILED, failure=Failure(code=NOT_ACCEPTED, message=message)
            )
            return self.fail(work, attempt, refused, now)
        return self.unknown(work, attempt, answer, now)

    def unknown(self, work: Work, attempt: Attempt, answer: Answer, now: datetime) -> Change:
        """Nobody knows: ask again later, or call a person."""
        if answer.code in MISMATCHES:
            return mismatch(work, attempt, answer)
        if self._is_denied(attempt, answer, now):
            return hold(work, HoldReason.PROVIDER_CONTRADICTS, **evidence_of(attempt, answer))
        reason = self._given_up(attempt, answer, now)
        if reason is not None:
            return self._held(work, attempt, answer, reason)
        change = replace(
            release(work, due_in=retry_in(attempt, answer, self._spread())),
            attempt=attempt.unanswered(answer, first_send=work.first_send),
        )
        if attempt.state is AttemptState.UNKNOWN:
            return change
        payment, event = work.payment.noted(
            actor=answer.actor, cause=f"{attempt.step}_unknown", **evidence_of(attempt, answer)
        )
        return replace(change, payment=payment, events=(event,))

    def is_proven_absent(self, attempt: Attempt, now: datetime) -> bool:
        """Whether the provider, which has nothing under the key, can have nothing any more."""
        capabilities = self._capabilities[attempt.provider]
        landed = attempt.last_sent_at is None or now > attempt.last_sent_at + SEND_DEADLINE
        named = bool(attempt.provider_reference)
        return landed and not named and capabilities.absence_is_evidence(attempt, now)

    def says_failed(self, attempt: Attempt, answer: Answer) -> bool:
        """Whether an answer proves that nothing moved."""
        return self._capabilities[attempt.provider].says_failed(answer)

    def is_spent(self, attempt: Attempt) -> bool:
        """Whether sending the key again is of no more use: an error is its answer for good."""
        return (
            self._capabilities[attempt.provider].caches_errors
            and not attempt.provider_reference
            and attempt.inconclusive_count >= CACHED_ERRORS
            and attempt.code == FAULT
        )

    def _is_denied(self, attempt: Attempt, answer: Answer, now: datetime) -> bool:
        """Whether the provider, asked late or often enough, does not know an id that it gave us:
        the attempt's own, or that of the collection that a refund names."""
        if attempt.step is Step.REFUND and answer.code == DENIAL:
            return attempt.inconclusive_count >= CACHED_ERRORS
        certain = self._capabilities[attempt.provider].absence_is_evidence(attempt, now)
        return certain and answer.denies(attempt)

    def _given_up(self, attempt: Attempt, answer: Answer, now: datetime) -> HoldReason | None:
        """Why a person must see to it now; None where there is still time."""
        undocumented = answer.code == UNDOCUMENTED
        reason = HoldReason.UNKNOWN_STATUS if undocumented else HoldReason.OUTCOME_UNKNOWN
        if undocumented and attempt.inconclusive_count + 1 >= STATUS_TRIES:
            return reason
        capabilities = self._capabilities[attempt.provider]
        since = attempt.unknown_since or attempt.sent_at or now
        late = now - since >= capabilities.unknown_hold_after
        return reason if late or not capabilities.may_send_again(attempt, now) else None

    def _held(self, work: Work, attempt: Attempt, answer: Answer, reason: HoldReason) -> Change:
        """On hold, and the provider is still asked now and then: its answer would end the hold."""
        change = hold(work, reason, **evidence_of(attempt, answer))
        return replace(
            change,
            attempt=attempt.unanswered(answer, first_send=work.first_send),
            due_in=HELD_POLL,
        )
