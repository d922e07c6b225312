"""An attempt that was over and has succeeded at its provider after all, once a person has ended the
hold on it: nothing more is sent for its step, and the confirmed success is taken for the step, or
the money is refunded where the payment is over."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions import before_send
from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.disputes import confirm
from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.decisions.inbox_events import (
    closed,
    closed_known,
    ignored,
    mentions_other_attempts,
    without_successes,
)
from services.payments.engine.decisions.moves import done, doubled, next_attempt
from services.payments.engine.decisions.refunds import asked_for
from services.payments.engine.decisions.step_causes import GIVEN_UP, WITHDRAWN
from services.payments.engine.decisions.unknowns import is_proven_absent, unknown
from services.payments.engine.decisions.waiting import hold, release
from services.payments.model.answer import DENIAL, NEVER_LEFT, NOT_ACCEPTED, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step, served_by
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import late_collection_postings
from services.payments.model.payment import (
    RESTING,
    UNCOLLECTED,
    Failure,
    Payment,
    State,
)
from services.payments.model.quote import RefundFees
from services.payments.model.refund import RefundStatus, refund_of
from services.payments.model.timing import LONGEST_RETRY

# The states in which a payment can still count a success of each step.
_COUNTED_IN: Mapping[Step, frozenset[State]] = {
    Step.COLLECTION: UNCOLLECTED | {State.COLLECTING},
    Step.PAYOUT: frozenset({State.PAYING_OUT, State.ACTION_REQUIRED}),
    Step.REFUND: frozenset({State.REFUNDING, State.PARTLY_REFUNDED}),
}


def needs_all_attempts(work: Work) -> bool:
    """Whether the payment is not decided by the present attempt alone: an event may be about
    another one, or another one may have succeeded late."""
    tried_before = work.attempt is not None and work.attempt.number > 1
    rests = work.payment.state in RESTING
    return tried_before or rests or mentions_other_attempts(work) or before_send.is_due(work)


def unproven(work: Work) -> Attempt | None:
    """A success of an attempt that was over, known by an event alone, so that it is not known to
    have moved money; of any step."""
    tried = [a for a in (work.attempt, *work.earlier) if a is not None]
    return next((a for a in tried if a.succeeded_late and a.moved is None), None)


def refund_again(work: Work) -> Attempt | None:
    """A refund that had come back, or had failed, and that its onramp has shown to have succeeded
    after all, as far as the payment can count it; None where there is none."""
    payment = work.payment
    if payment.state is not State.PARTLY_REFUNDED:
        return None
    tried = [a for a in (work.attempt, *work.earlier) if a is not None and a.step is Step.REFUND]
    shown = (a for a in tried if a.succeeded_late and a.moved == a.amount)
    return next((a for a in shown if _is_refundable(payment, a)), None)


def withdraw(work: Work, attempt: Attempt, late: Attempt) -> Plan:
    """Nothing has left under the attempt, and nothing will: the late one is asked about."""
    failure = Failure(code=NEVER_LEFT, message="an attempt before it succeeded late")
    over = Answer(outcome=Outcome.FAILED, failure=failure)
    withdrawn = attempt.answered(AttemptState.FAILED, over)
    payment, event = work.payment.noted(
        actor="worker",
        cause=WITHDRAWN[attempt.step],
        provider=attempt.provider,
        key=attempt.key,
        succeeded_late=late.key,
    )
    change = replace(
        release(work), payment=payment, attempt=withdrawn, events=(event,), keeps_lease=True
    )
    asked = replace(work, payment=payment, attempt=late, earlier=(*work.earlier, withdrawn))
    return Plan(change=change, call=Call.LOOK_UP, work=asked)


def give_up(case: Case) -> Change:
    """An attempt has not succeeded, and one before it has, late: it is never sent again, and
    neither ends the payment nor leads to another attempt."""
    attempt = case.attempt
    payment, event = case.payment.noted(
        actor=case.answer.actor, cause=GIVEN_UP[attempt.step], **case.evidence
    )
    return replace(
        next_attempt(case),
        payment=payment,
        events=(event,),
        closed_events=without_successes(closed_known(case.work, attempt)),
    )


def give_up_absent(case: Case) -> Change:
    """The same where the provider has nothing, and can have nothing any more."""
    if not is_proven_absent(case):
        return unknown(case)
    failure = Failure(code=NOT_ACCEPTED, message="the provider has nothing under the key")
    return give_up(
        replace(case, answer=replace(case.answer, failure=failure, outcome=Outcome.FAILED))
    )


def take(case: Case) -> Change:
    """An attempt that was over has succeeded: it is the step's, where the payment can count it."""
    return doubled(case.work, _taken(case)) if _counts(case) else confirm(case)


def failed_after_all(case: Case) -> Change:
    """It has not succeeded: the step goes on, where the payment is not over."""
    work, is_over = case.work, case.payment.state in UNCOLLECTED
    change = release(
        work,
        due_in=None if is_over else timedelta(0),
        closed_events=ignored(work, work.inbox) if is_over else (),
    )
    return replace(change, attempt=case.attempt.answered(case.attempt.state, case.answer))


def ask_again_or_hold(case: Case) -> Change:
    """The provider does not say that it succeeded: nothing is tried again meanwhile, and after a
    while a person must see to it; at once where the payment is over and by our record nothing was
    taken. Where the step is over, there may provably be nothing."""
    work, answer, state = case.work, case.answer, case.payment.state
    nothing = answer.outcome is Outcome.ABSENT or answer.code == DENIAL
    if state in RESTING and nothing and case.is_absence_proven and case.attempt.moved is None:
        return _never_happened(case)
    patience = case.capabilities.unknown_hold_after
    if state in UNCOLLECTED or case.attempt.is_doubted_for(patience, case.now):
        held = hold(work, HoldReason.LATE_SUCCESS, **case.evidence)
        return replace(held, attempt=replace(case.attempt, inconclusive_count=0))
    return replace(release(work, due_in=LONGEST_RETRY), attempt=case.attempt.doubted())


def _never_happened(case: Case) -> Change:
    """The provider provably has nothing of it: the payment stays as it is."""
    if case.payment.state in UNCOLLECTED:
        return release(case.work, closed_events=ignored(case.work, case.work.inbox))
    failure = Failure(code=NOT_ACCEPTED, message="the provider has nothing under the key")
    answer = replace(case.answer, outcome=Outcome.FAILED, failure=failure)
    return failed_after_all(replace(case, answer=answer))


def _counts(case: Case) -> bool:
    """Whether the payment can count it: while its step is open, of the amount that was asked, at a
    provider of its route, and no more than is still to be given back."""
    payment, attempt = case.payment, case.attempt
    if payment.state not in _COUNTED_IN[attempt.step]:
        return False
    route = payment.route.offramps if attempt.step is Step.PAYOUT else payment.route.onramps
    wanted = {Step.COLLECTION: payment.terms.amount, Step.PAYOUT: payment.terms.payout}
    # A payout that we sent went by the route of its time: a correction may have changed it since.
    on_route = attempt.provider in route or attempt.sent_at is not None
    if case.answer.amount not in (None, attempt.amount) or not on_route:
        return False
    if attempt.step is Step.REFUND:
        return _is_refundable(payment, attempt)
    may_go_back = case.capabilities.refunds or payment.state not in UNCOLLECTED
    return may_go_back and attempt.amount == wanted[attempt.step]


def _is_refundable(payment: Payment, refund: Attempt) -> bool:
    """Whether the payment's onramp has given back no more than is still to be given back."""
    same = refund.amount.currency == payment.refundable.currency
    return same and refund.provider == payment.onramp and refund.amount <= payment.refundable


def _taken(case: Case) -> Change:
    """The success is the step's own. The attempt keeps its mark, because others came after it."""
    attempt = _of_own_refund(case)
    case = replace(case, work=replace(case.work, attempt=attempt))
    if case.payment.state in UNCOLLECTED:
        change = _given_back(case)
    else:
        served = case.payment
        if attempt.step is not Step.REFUND:
            served = served_by(served, attempt.step, attempt.provider)
        change = done(replace(case, work=replace(case.work, payment=served)))
    succeeded = attempt.answered(AttemptState.SUCCEEDED, case.answer)
    return replace(change, attempt=replace(succeeded, failure=attempt.failure))


def _of_own_refund(case: Case) -> Attempt:
    """The attempt, without its refund where another attempt of that has succeeded: the money that
    went back a second time is a refund that nobody has asked for."""
    refund = refund_of(case.payment, case.attempt.refund)
    if refund is not None and refund.status is RefundStatus.SUCCEEDED:
        return replace(case.attempt, refund=None)
    return case.attempt


def _given_back(case: Case) -> Change:
    """The payment is over and the money was taken all the same: it is the payer's again."""
    attempt, answer = case.attempt, case.answer
    payment, event = served_by(case.payment, Step.COLLECTION, attempt.provider).moved(
        State.REFUNDING, actor=answer.actor, cause=Cause.COLLECTED_AFTER_THE_END, **case.evidence
    )
    reference = answer.provider_reference or attempt.provider_reference
    payment = replace(
        payment,
        collection_reference=reference,
        # No fee was earned, so that none is kept.
        refund_fees=RefundFees.RETURNED,
    )
    payment = asked_for(
        payment, payment.refundable, actor="worker", cause=Cause.COLLECTED_AFTER_THE_END
    )
    return replace(
        release(case.work, due_in=timedelta(0), closed_events=closed(case.work, attempt)),
        payment=payment,
        events=(event,),
        postings=late_collection_postings(payment),
    )
