"""Before a refund is sent, or a payout after a person changed the recipient or the route, the
offramps are asked about every payout that was sent: money that one of them has paid out is neither
refunded nor paid out again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.decisions.waiting import hold, live, release
from services.payments.model.answer import DENIAL, MISMATCHES, NEVER_LEFT, STATED, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Capabilities, LookUp, Step
from services.payments.model.holds import HoldReason
from services.payments.model.payment import State
from services.payments.model.timing import poll_in


def is_due(work: Work) -> bool:
    """Whether a refund of the payment may be sent next, so that its payouts must be known."""
    # One that was sent may have to be sent again under its key; after one that is over, another of
    # the payment's refunds may follow.
    accepted = work.attempt is not None and work.attempt.state is AttemptState.ACCEPTED
    return work.payment.state is State.REFUNDING and not accepted


def ask_first(plan: Plan, capabilities: Mapping[str, Capabilities]) -> Plan:
    """The plan to send, with the questions about the payouts before it where those count."""
    sending = plan.work.attempt
    if plan.call is not Call.SEND or sending is None or not _moves_money_again(plan.work, sending):
        return plan
    payouts = tuple(a for a in plan.work.earlier if is_to_be_asked_about(a, capabilities))
    if not payouts:
        return plan
    work = replace(plan.work, attempt=payouts[0], payouts=payouts[1:], to_send=sending)
    return replace(plan, call=Call.LOOK_UP, work=work)


def _moves_money_again(work: Work, sending: Attempt) -> bool:
    """Whether it is a refund, or a payout after a person changed the recipient or the route."""
    corrected = sending.step is Step.PAYOUT and work.before_correction > 0
    return sending.step is Step.REFUND or corrected


def is_to_be_asked_about(attempt: Attempt, capabilities: Mapping[str, Capabilities]) -> bool:
    """Whether it is a payout that may have left, and its provider can say what became of it."""
    known = capabilities.get(attempt.provider)
    can_say = known is None or known.look_up is not LookUp.NONE
    left = attempt.succeeded_late or (attempt.sent_at is not None and attempt.code != NEVER_LEFT)
    return attempt.step is Step.PAYOUT and left and can_say


def after_answer(work: Work, capabilities: Capabilities | None, answer: Answer) -> Plan | None:
    """The next question, or the send itself; None where the answer is in its way, or is to be put
    on record first."""
    attempt, sending = live(work), work.to_send
    if sending is None or not is_unpaid(attempt, sending, capabilities, answer):
        return None
    if capabilities is not None and capabilities.says_failed(answer) and counts_moved(attempt):
        return None
    kept = replace(release(work), keeps_lease=True)
    if work.payouts:
        following = replace(work, attempt=work.payouts[0], payouts=work.payouts[1:])
        return Plan(change=kept, call=Call.LOOK_UP, work=following)
    return Plan(change=kept, call=Call.SEND, work=replace(work, attempt=sending, to_send=None))


def counts_moved(payout: Attempt) -> bool:
    """Whether money has moved under it by our record, although it is over."""
    return payout.succeeded_late or payout.moved is not None


def is_unpaid(
    payout: Attempt, sending: Attempt, capabilities: Capabilities | None, answer: Answer
) -> bool:
    """Whether the answer agrees with our record: it was not paid, or it has come back.

    Where a person has stated that, only the provider's word that it is paid, or that it is still
    under way, counts against it. A payout that the provider has shown to have moved is not unpaid
    because it is denied later.
    """
    if answer.outcome is Outcome.SUCCEEDED or answer.code in MISMATCHES:
        return False
    if STATED in (payout.code, sending.code):
        return answer.outcome is not Outcome.PENDING
    nothing = answer.outcome is Outcome.ABSENT or answer.code == DENIAL
    if nothing or capabilities is None:
        return nothing and payout.moved is None
    # Where events are evidence, one of them has ended what the look-up still calls open.
    ended = payout.state is AttemptState.FAILED and capabilities.event_is_evidence
    return (ended and answer.outcome is Outcome.PENDING) or capabilities.says_failed(answer)


def came_back(case: Case) -> Change:
    """The payout was known to have succeeded late, and has not: that is on record before the send
    is due again."""
    attempt = case.attempt
    known = attempt.answered(attempt.state, case.answer)
    return replace(release(case.work, due_in=timedelta(0)), attempt=known)


def unconfirmed(case: Case) -> Change:
    """The provider does not confirm that the payout was not paid: a hold after a while."""
    attempt, patience = case.attempt, case.capabilities.unknown_hold_after
    # The questions of an earlier refund or correction do not count.
    is_long = case.now - case.payment.updated_at >= patience
    if is_long and attempt.is_doubted_for(patience, case.now):
        held = hold(case.work, HoldReason.PAYOUT_UNCONFIRMED, **case.evidence)
        return replace(held, attempt=replace(attempt, inconclusive_count=0))
    asks = release(case.work, due_in=poll_in(attempt.unknown_since, case.now))
    return replace(asks, attempt=attempt.doubted())
