"""An attempt whose outcome is open: not sent, absent, or unknown. It is asked about at growing
intervals, sent again only so often, and given to a person after the time that its provider
declares."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Change
from services.payments.engine.decisions.moves import fail, fail_over, retire
from services.payments.engine.decisions.refusals import require_action
from services.payments.engine.decisions.returns_and_refunds import cancel_or_expire
from services.payments.engine.decisions.step_causes import NOT_SENT, UNKNOWN
from services.payments.engine.decisions.waiting import hold, release
from services.payments.model.answer import (
    DENIAL,
    FAULT,
    NEVER_LEFT,
    NOT_ACCEPTED,
    UNDOCUMENTED,
    Outcome,
)
from services.payments.model.attempt import (
    Attempt,
    AttemptState,
    Capabilities,
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
    SENDS_MAX,
    STATUS_TRIES,
    retry_in,
)

# Held for one of these, a payment waits for its attempt's outcome alone, which may still come.
ENDED_BY_OUTCOME = frozenset({HoldReason.OUTCOME_UNKNOWN, HoldReason.UNKNOWN_STATUS})


def not_sent(case: Case) -> Change:
    """This try never left. Where none did before it: the next provider, the same key a little
    later, or a rest of the route."""
    work, attempt = case.work, case.attempt
    if not work.first_send:
        return unknown(case)
    never = Failure(code=NEVER_LEFT, message=case.answer.code or "it was not sent")
    following = provider_after(work.payment, attempt.step, attempt.provider)
    if following is not None:
        change = fail_over(case, following)
        return replace(change, attempt=replace(attempt, state=AttemptState.FAILED, failure=never))
    tried = attempt.inconclusive_count + 1
    if attempt.step is Step.PAYOUT and tried >= NOT_SENT_TRIES:
        refused = replace(case.answer, outcome=Outcome.FAILED, failure=never)
        return fail(replace(case, answer=refused))
    after = attempt.answered(AttemptState.UNKNOWN, case.answer)
    pause = _retry_in(case)
    change = replace(
        release(work, due_in=pause),
        attempt=replace(after, state=AttemptState.INTENDED),
        rest=pause,
    )
    if attempt.inconclusive_count:
        return change
    payment, event = work.payment.noted(
        actor="worker", cause=NOT_SENT[attempt.step], **case.evidence
    )
    return replace(change, payment=payment, events=(event,))


def absent(case: Case) -> Change:
    """The provider has nothing under the key. Where nothing can still arrive and sending again
    is of no more use, that ends the attempt."""
    attempt = case.attempt
    proven = is_proven_absent(case)
    if proven and is_refused(attempt, case.capabilities):
        before = _refused_before(case)
        about_recipient = case.capabilities.refuses_recipient(attempt.failure)
        return require_action(before) if about_recipient else fail(before)
    if proven and is_spent(attempt, case.capabilities):
        if case.tries < KEYS_MAX:
            return retire(case)
        return _held(case, HoldReason.OUTCOME_UNKNOWN)
    if proven and attempt.sends >= SENDS_MAX:
        message = attempt.failure.message if attempt.failure else "no answer"
        failure = Failure(code=NOT_ACCEPTED, message=message)
        refused = replace(case.answer, outcome=Outcome.FAILED, failure=failure)
        return fail(replace(case, answer=refused))
    return unknown(case)


def end_uncollected(case: Case) -> Change:
    """The collection is unwanted and the provider has nothing: the end, once no request can still
    reach it."""
    return cancel_or_expire(case.work) if is_proven_absent(case) else unknown(case)


def unknown(case: Case) -> Change:
    """The outcome stays unknown: ask again later, or hold for a person."""
    work, attempt, answer = case.work, case.attempt, case.answer
    if _is_denied(case):
        return hold(work, HoldReason.PROVIDER_CONTRADICTS, **case.evidence)
    reason = _given_up(case)
    if reason is not None:
        return _held(case, reason)
    change = replace(
        release(work, due_in=_retry_in(case)),
        attempt=attempt.unanswered(answer, first_send=work.first_send),
    )
    if attempt.state is AttemptState.UNKNOWN:
        return change
    payment, event = work.payment.noted(
        actor=answer.actor, cause=UNKNOWN[attempt.step], **case.evidence
    )
    return replace(change, payment=payment, events=(event,))


def is_proven_absent(case: Case) -> bool:
    """Whether the provider, which has nothing under the key, can have nothing any more."""
    return not case.attempt.provider_reference and case.is_absence_proven


def _refused_before(case: Case) -> Case:
    """The refusal that the last send was answered with, of which nothing else is known."""
    refusal = replace(case.answer, outcome=Outcome.FAILED, failure=case.attempt.failure)
    return replace(case, answer=refusal)


def is_refused(attempt: Attempt, capabilities: Capabilities) -> bool:
    """Whether the provider has refused the last try under the key for good: it is not sent again,
    and ends once no earlier try can have been taken."""
    return attempt.state is AttemptState.UNKNOWN and capabilities.is_definitive(attempt.failure)


def is_spent(attempt: Attempt, capabilities: Capabilities) -> bool:
    """Whether sending the key again is of no more use: an error is its answer for good."""
    return (
        capabilities.caches_errors
        and not attempt.provider_reference
        and attempt.inconclusive_count >= CACHED_ERRORS
        and attempt.code == FAULT
    )


def _retry_in(case: Case) -> timedelta:
    tries = case.attempt.inconclusive_count
    return retry_in(tries, case.answer.retry_after, case.spread())


def _is_denied(case: Case) -> bool:
    """Whether the provider, asked late or often enough, does not know an id that it gave us:
    the attempt's own, or that of the collection that a refund names."""
    attempt, answer = case.attempt, case.answer
    if attempt.step is Step.REFUND and answer.code == DENIAL:
        return attempt.inconclusive_count >= CACHED_ERRORS
    return case.is_denial_certain and attempt.is_denied_by(answer)


def _given_up(case: Case) -> HoldReason | None:
    """Why a person must see to it now; None where there is still time."""
    attempt, capabilities, now = case.attempt, case.capabilities, case.now
    undocumented = case.answer.code == UNDOCUMENTED
    reason = HoldReason.UNKNOWN_STATUS if undocumented else HoldReason.OUTCOME_UNKNOWN
    if undocumented and attempt.inconclusive_count + 1 >= STATUS_TRIES:
        return reason
    since: datetime = attempt.unknown_since or attempt.sent_at or now
    late = now - since >= capabilities.unknown_hold_after
    return reason if late or not capabilities.may_send_again(attempt, now) else None


def _held(case: Case, reason: HoldReason) -> Change:
    """On hold, and the provider is still asked now and then: its answer would end the hold."""
    change = hold(case.work, reason, **case.evidence)
    return replace(
        change,
        attempt=case.attempt.unanswered(case.answer, first_send=case.work.first_send),
        due_in=HELD_POLL,
    )
