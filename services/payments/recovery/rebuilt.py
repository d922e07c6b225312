"""A payment that the database has lost, made again by what providers say of its operations: its
collection counts, and all else that has moved stands on suspense under an attempt of its own, until
the engine asks about it after a person's release. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.payments.base.recovery_rows import Lost
from services.payments.engine.decisions.facts import Change
from services.payments.model.answer import Outcome
from services.payments.model.attempt import Attempt, AttemptState, Capabilities, Step
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import collection_postings, exchange_postings
from services.payments.model.payment import Event, Failure, Payment, State
from services.payments.model.refusals import refusal_of
from services.payments.recovery.on_record import (
    is_answered,
    late,
    never_listed,
    put_on_record,
    says_failed,
)
from services.payments.recovery.ports import Stated

NO_RECIPIENT_KNOWN = "recipient_missing"
# Between the collection and the wait for a recipient.
_COLLECTED = (
    *(State.COLLECTING, State.FUNDED, State.CONVERTED, State.PAYING_OUT, State.ACTION_REQUIRED),
)


class NotRebuildable(Exception):
    """The providers' answers do not make a payment."""


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
        first = never_listed(lost.payment, Step.PAYOUT, 1)
        tried.setdefault((first.step, first.number), first)
    changes = [_begin(lost.payment, collection, actor)]
    others = [one for key, one in tried.items() if key != (Step.COLLECTION, collection.number)]
    for other in others:
        changes.append(put_on_record(changes[-1].payment, other, actor))
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
        if not is_answered(one.answer):
            asked = f"{one.operation.provider} about {one.operation.listed.key}"
            raise NotRebuildable(f"no answer of {asked}: start again once it answers")
        found[place] = late(payment, one, declared)
    for step, last in [*found]:
        for number in range(1, last):
            found.setdefault((step, number), never_listed(payment, step, number))
    return dict(sorted(found.items()))


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
    if outcomes and all(says_failed(one, answer, declared) for answer, one in outcomes):
        return max((attempt for _, attempt in outcomes), key=lambda attempt: attempt.number)
    raise NotRebuildable("its onramp does not say what became of the collection")


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
