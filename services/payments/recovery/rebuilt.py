"""A payment that the database has lost, made again by what providers say of its operations: its
collection counts, and all else that has moved stands on suspense under an attempt of its own, until
the engine asks about it after a person's release. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.payments.base.recovery_rows import Lost
from services.payments.engine.decisions.facts import Change
from services.payments.model.attempt import (
    DENIAL,
    MISMATCHES,
    NEVER_LEFT,
    SUCCEEDED_LATE,
    UNDOCUMENTED,
    Answer,
    Attempt,
    AttemptState,
    Capabilities,
    Outcome,
    Step,
    intend,
)
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import (
    collection_postings,
    exchange_postings,
    suspense_postings,
)
from services.payments.model.payment import Event, Failure, Payment, State
from services.payments.model.refusals import refusal_of
from services.payments.recovery.ports import LostOperation

NO_RECIPIENT_KNOWN = "recipient_missing"
_LATE = Failure(code=SUCCEEDED_LATE, message="made in a time that the database had lost")
_NOT_LISTED = Failure(code=NEVER_LEFT, message="no provider lists such an attempt")
# Between the collection and the wait for a recipient.
_COLLECTED = (
    *(State.COLLECTING, State.FUNDED, State.CONVERTED, State.PAYING_OUT, State.ACTION_REQUIRED),
)


class NotRebuildable(Exception):
    """The providers' answers do not make a payment."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """An operation that a provider has, with its own word about it."""

    operation: LostOperation
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """The payment as it was created, and the changes since, each with one attempt."""

    lost: Lost
    changes: tuple[Change, ...]
    # When its onramp had the collection, by its own clock; None where it does not say.
    made_at: datetime | None

    @property
    def collection(self) -> Attempt:
        """The attempt of the collection that the payment goes by."""
        attempt = self.changes[0].attempt
        if attempt is None:
            raise ValueError("the first change has the collection")
        return attempt

    @property
    def payment(self) -> Payment:
        """The payment as it comes to stand."""
        return self.changes[-1].payment


def rebuild(
    lost: Lost, stated: Sequence[Stated], declared: Mapping[str, Capabilities], actor: str
) -> Rebuilt:
    """The payment with all attempts of it. Raises NotRebuildable."""
    tried = _by_number(lost.payment, stated, declared)
    collection = _collection(lost.payment, stated, tried, declared)
    if collection.state is AttemptState.SUCCEEDED:
        # Where a payment waits for a recipient, a payout was tried.
        first = _never_listed(lost.payment, Step.PAYOUT, 1)
        tried.setdefault((first.step, first.number), first)
    changes = [_begin(lost.payment, collection, actor)]
    others = [one for key, one in tried.items() if key != (Step.COLLECTION, collection.number)]
    for other in others:
        changes.append(_put_on_record(changes[-1].payment, other, actor))
    made_at = next(
        one.operation.listed.created_at
        for one in stated
        if one.operation.listed.key == collection.key
    )
    return Rebuilt(lost=lost, changes=tuple(changes), made_at=made_at)


def _by_number(
    payment: Payment, stated: Sequence[Stated], declared: Mapping[str, Capabilities]
) -> dict[tuple[Step, int], Attempt]:
    """Every attempt by its step and number, without a gap."""
    found: dict[tuple[Step, int], Attempt] = {}
    for one in stated:
        place = (one.operation.step, one.operation.number)
        if place in found or not one.operation.number:
            raise NotRebuildable(f"{one.operation.listed.key} is there twice, or has no number")
        if not _is_answered(one.answer):
            asked = f"{one.operation.provider} about {one.operation.listed.key}"
            raise NotRebuildable(f"no answer of {asked}: start again once it answers")
        found[place] = _late(payment, one, declared)
    for step, last in [*found]:
        for number in range(1, last):
            found.setdefault((step, number), _never_listed(payment, step, number))
    return dict(sorted(found.items()))


def _late(payment: Payment, one: Stated, declared: Mapping[str, Capabilities]) -> Attempt:
    """The attempt, over by our record; with the money that its provider says to have moved."""
    operation, answer = one.operation, one.answer
    amount = answer.amount or intend(payment, operation.step, 1).amount
    attempt = replace(
        intend(payment, operation.step, operation.number, amount),
        provider=operation.provider,
        key=operation.listed.key,
        state=AttemptState.FAILED,
        provider_reference=answer.provider_reference or operation.listed.provider_reference,
        failure=_LATE,
    )
    known = declared.get(operation.provider)
    if known is not None and known.says_failed(answer):
        return replace(attempt, failure=answer.failure)
    return replace(attempt, moved=amount if _has_moved(answer) else None)


def _is_answered(answer: Answer) -> bool:
    """Whether its provider has said anything of it: one that is away may have paid."""
    is_said = answer.code in MISMATCHES | {DENIAL, UNDOCUMENTED}
    return is_said or answer.outcome not in (Outcome.UNKNOWN, Outcome.NOT_SENT)


def _has_moved(answer: Answer) -> bool:
    return answer.outcome is Outcome.SUCCEEDED or answer.amount is not None


def _never_listed(payment: Payment, step: Step, number: int) -> Attempt:
    attempt = intend(payment, step, number)
    return replace(attempt, state=AttemptState.FAILED, failure=_NOT_LISTED)


def _collection(
    payment: Payment,
    stated: Sequence[Stated],
    tried: Mapping[tuple[Step, int], Attempt],
    declared: Mapping[str, Capabilities],
) -> Attempt:
    """The collection that the payment goes by: one that has succeeded, or is open, or has failed.
    Raises NotRebuildable where its onramp does not say, or says anything else than was agreed."""
    outcomes = [
        (one.answer, tried[Step.COLLECTION, one.operation.number])
        for one in stated
        if one.operation.step is Step.COLLECTION
    ]
    for answer, attempt in outcomes:
        if answer.outcome is Outcome.SUCCEEDED and attempt.amount == payment.terms.amount:
            return replace(attempt, state=AttemptState.SUCCEEDED, failure=None, moved=None)
    if len(outcomes) < len(stated):
        raise NotRebuildable("something followed a collection that has not succeeded")
    for answer, attempt in outcomes:
        if answer.outcome is Outcome.PENDING:
            return replace(attempt, state=AttemptState.ACCEPTED, failure=None)
    if outcomes and all(_says_failed(answer, one, declared) for answer, one in outcomes):
        return max((attempt for _, attempt in outcomes), key=lambda attempt: attempt.number)
    raise NotRebuildable("its onramp does not say what became of the collection")


def _says_failed(answer: Answer, attempt: Attempt, declared: Mapping[str, Capabilities]) -> bool:
    known = declared.get(attempt.provider)
    return known is not None and known.says_failed(answer)


def _begin(created: Payment, collection: Attempt, actor: str) -> Change:
    """The first change: the payment comes to where its collection is, and a person is asked."""
    facts = {
        "provider": collection.provider,
        "key": collection.key,
        "provider_reference": collection.provider_reference,
    }
    payment = replace(created, onramp=collection.provider)
    succeeded = collection.state is AttemptState.SUCCEEDED
    failed = collection.state is AttemptState.FAILED
    states = _COLLECTED if succeeded else (State.COLLECTING, *((State.FAILED,) if failed else ()))
    events: list[Event] = []
    for state in states:
        payment, event = payment.moved(state, actor=actor, cause=Cause.PAYMENT_RECOVERED, **facts)
        events.append(event)
    postings = (*collection_postings(payment), *exchange_postings(payment)) if succeeded else ()
    if succeeded:
        message = refusal_of(NO_RECIPIENT_KNOWN).message
        payment = replace(
            payment,
            collection_reference=collection.provider_reference,
            failure=Failure(code=NO_RECIPIENT_KNOWN, message=message),
        )
    if failed:
        payment = replace(payment, failure=collection.failure)
    else:
        payment, event = payment.held(HoldReason.RECOVERED, actor=actor, **facts)
        events.append(event)
    return Change(
        payment=payment,
        before=created,
        lease_token=0,
        attempt=collection,
        events=tuple(events),
        postings=postings,
    )


def _put_on_record(payment: Payment, attempt: Attempt, actor: str) -> Change:
    """Another attempt, whose money stands on suspense."""
    moved = f"{attempt.moved} {attempt.moved.currency}" if attempt.moved else ""
    noted, event = payment.noted(
        actor=actor,
        cause=Cause.PAYMENT_RECOVERED,
        provider=attempt.provider,
        key=attempt.key,
        provider_reference=attempt.provider_reference,
        failure_code=attempt.code,
        moved=moved,
    )
    return Change(
        payment=noted,
        before=payment,
        lease_token=0,
        attempt=attempt,
        events=(event,),
        postings=suspense_postings(None, attempt),
    )
