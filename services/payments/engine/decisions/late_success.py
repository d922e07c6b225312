"""An attempt that was over and has succeeded at its provider after all, once a person has ended the
hold on it: nothing more is sent for its step, and what the provider confirms is taken for the step,
or goes back to the payer where the payment is over."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.engine.decisions import before_refund
from services.payments.engine.decisions.disputes import also_succeeded, confirm
from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.decisions.moves import next_attempt, succeed
from services.payments.engine.decisions.news import (
    but_successes,
    closed,
    heard,
    ignored,
    speaks_of_others,
)
from services.payments.engine.decisions.unknowns import Unknowns
from services.payments.engine.decisions.waiting import evidence_of, hold, release
from services.payments.model.attempt import (
    DENIAL,
    MISMATCHES,
    NEVER_LEFT,
    NOT_ACCEPTED,
    Answer,
    Attempt,
    AttemptState,
    Capabilities,
    Outcome,
    Step,
    served_by,
)
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import late_collection_postings
from services.payments.model.payment import UNCOLLECTED, Failure, Payment, State
from services.payments.model.timing import LONGEST_RETRY


def needs_all_attempts(work: Work) -> bool:
    """Whether the payment is not decided by the present attempt alone: the news may be about
    another one, or another one may have succeeded late."""
    tried_before = work.attempt is not None and work.attempt.number > 1
    waits = work.payment.state in UNCOLLECTED or work.payment.state is State.RETURNED
    return tried_before or waits or speaks_of_others(work) or before_refund.is_due(work)


def withdraw(work: Work, attempt: Attempt, late: Attempt) -> Plan:
    """Nothing has left under the attempt, and nothing shall: the late one is asked about."""
    failure = Failure(code=NEVER_LEFT, message="an attempt before it succeeded late")
    withdrawn = replace(attempt, state=AttemptState.FAILED, failure=failure)
    payment, event = work.payment.noted(
        actor="worker",
        cause=f"{attempt.step}_withdrawn",
        provider=attempt.provider,
        key=attempt.key,
        succeeded_late=late.key,
    )
    change = replace(
        release(work), payment=payment, attempt=withdrawn, events=(event,), keeps_lease=True
    )
    asked = replace(work, payment=payment, attempt=late, earlier=(*work.earlier, withdrawn))
    return Plan(change=change, call=Call.LOOK_UP, work=asked)


def settle_beside(
    work: Work, attempt: Attempt, answer: Answer, now: datetime, unknowns: Unknowns
) -> Change:
    """What it means that an attempt has not succeeded, where one before it has, late: it is never
    sent again, and neither ends the payment nor leads to another attempt."""
    if answer.outcome is Outcome.ABSENT and unknowns.is_proven_absent(attempt, now):
        failure = Failure(code=NOT_ACCEPTED, message="the provider has nothing under the key")
        answer = replace(answer, outcome=Outcome.FAILED, failure=failure)
    elif not unknowns.says_failed(attempt, answer):
        return unknowns.unknown(work, attempt, answer, now)
    payment, event = work.payment.noted(
        actor=answer.actor, cause=f"{attempt.step}_given_up", **evidence_of(attempt, answer)
    )
    return replace(
        next_attempt(work, attempt, answer, now),
        payment=payment,
        events=(event,),
        closed_news=but_successes(heard(work, attempt)),
    )


def doubled(work: Work, change: Change) -> Change:
    """The change that takes a success, held where its step has succeeded twice: the money of the
    other attempt stays on suspense, and a person must see to it."""
    attempt = change.attempt
    if attempt is None:
        return change
    twice = also_succeeded(work, attempt)
    if not twice:
        return change
    payment, event = change.payment.held(
        HoldReason.LATE_SUCCESS,
        actor="worker",
        provider=attempt.provider,
        key=attempt.key,
        provider_reference=attempt.provider_reference,
        **twice,
    )
    return replace(change, payment=payment, events=(*change.events, event), due_in=None)


def settle_late(
    work: Work,
    attempt: Attempt,
    answer: Answer,
    now: datetime,
    capabilities: Capabilities,
) -> Change:
    """What an answer means for an attempt that succeeded late: nothing is tried anew while its
    provider says so."""
    if answer.outcome is Outcome.SUCCEEDED and _counts(work.payment, attempt, answer, capabilities):
        return doubled(work, _taken(work, attempt, answer, now, capabilities))
    if answer.outcome is Outcome.SUCCEEDED or answer.code in MISMATCHES:
        return confirm(work, attempt, answer)
    is_over = work.payment.state in UNCOLLECTED
    used = ignored(work, work.news) if is_over else ()
    if capabilities.says_failed(answer):
        failed = attempt.answered(AttemptState.FAILED, answer)
        due_in = None if is_over else timedelta(0)
        return replace(release(work, due_in=due_in, closed_news=used), attempt=failed)
    if not is_over:
        return release(work, due_in=LONGEST_RETRY)
    nothing = answer.outcome is Outcome.ABSENT or answer.code == DENIAL
    if nothing and attempt.moved is None and capabilities.absence_is_evidence(attempt, now):
        return release(work, closed_news=used)
    return hold(work, HoldReason.LATE_SUCCESS, **evidence_of(attempt, answer))


def _counts(payment: Payment, attempt: Attempt, answer: Answer, capabilities: Capabilities) -> bool:
    """Whether the payment can count it: of the amount that was asked, at a provider of its route,
    and no more than is still to be given back."""
    route = payment.route.offramps if attempt.step is Step.PAYOUT else payment.route.onramps
    wanted = {Step.COLLECTION: payment.terms.amount, Step.PAYOUT: payment.terms.payout}
    if answer.amount not in (None, attempt.amount) or attempt.provider not in route:
        return False
    if attempt.step is Step.REFUND:
        same = attempt.amount.currency == payment.refundable.currency
        return same and attempt.provider == payment.onramp and attempt.amount <= payment.refundable
    may_go_back = capabilities.refunds or payment.state not in UNCOLLECTED
    return may_go_back and attempt.amount == wanted[attempt.step]


def _taken(
    work: Work, attempt: Attempt, answer: Answer, now: datetime, capabilities: Capabilities
) -> Change:
    """The success is the step's own. The attempt keeps its mark, because others came after it."""
    if work.payment.state in UNCOLLECTED:
        change = _given_back(work, attempt, answer)
    else:
        served = work.payment
        if attempt.step is not Step.REFUND:
            served = served_by(work.payment, attempt.step, attempt.provider)
        change = succeed(
            replace(work, payment=served), attempt, answer, now, capabilities.success_final_after
        )
    succeeded = attempt.answered(AttemptState.SUCCEEDED, answer)
    return replace(change, attempt=replace(succeeded, failure=attempt.failure))


def _given_back(work: Work, attempt: Attempt, answer: Answer) -> Change:
    """The payment is over and the money was taken all the same: it is the payer's again."""
    payment, event = served_by(work.payment, Step.COLLECTION, attempt.provider).moved(
        State.REFUNDING,
        actor=answer.actor,
        cause="collected_after_the_end",
        **evidence_of(attempt, answer),
    )
    reference = answer.provider_reference or attempt.provider_reference
    payment = replace(payment, collection_reference=reference)
    return replace(
        release(work, due_in=timedelta(0), closed_news=closed(work, attempt)),
        payment=payment,
        events=(event,),
        postings=late_collection_postings(payment),
    )
