"""A payment of which operations were lost, taken to where its providers say that it was, and held
there: a payout or a refund proves that it was collected, and exchanged. From no state that it comes
to is it paid out, refunded or charged past the operations that are on record. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.returns_and_refunds import begin_refund, return_payout
from services.payments.engine.decisions.suspense import with_suspense
from services.payments.model.answer import DENIAL, MISMATCHES, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Capabilities, Step
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import (
    Posting,
    collection_postings,
    exchange_postings,
    suspense_postings,
)
from services.payments.model.payment import ENDED, ExchangeRule, Failure, Payment, State
from services.payments.model.quote import RefundFees
from services.payments.model.refund import Refund, open_refund, with_refund
from services.payments.recovery.on_record import (
    LATE,
    NOT_LISTED,
    is_answered,
    made_of,
    moved_by,
    never_left,
    never_listed,
    over,
    put_on_record,
    says_failed,
)
from services.payments.recovery.ports import Stated, Undecided

_COLLECTING = frozenset({State.CREATED, State.COLLECTING})
# Lost operations stay beside it, under attempts that are over: the engine's rules of late successes
# have their end.
_STAYS = ENDED | {State.COMPLETED, State.PARTLY_REFUNDED}
# Why a payment waits for its merchant where no payout of it is known to have failed.
ASKED = Failure(code="payout_unconfirmed", message="its payouts are from a time that was lost")


def take_up(
    work: Work, stated: Sequence[Stated], declared: Mapping[str, Capabilities], actor: str
) -> tuple[Change, ...]:
    """The changes, each with one attempt at most; the last one holds the payment. Raises
    Undecided."""
    taking = _TakingUp(work, stated, declared, actor)
    taking.check()
    taking.record()
    return (*taking.changes, held(taking.payment, actor, _held_before(work)))


def held(payment: Payment, actor: str, held_before: str) -> Change:
    """The change that only holds it, whatever it was held for."""
    after, event = payment.held(HoldReason.RECOVERED, actor=actor, held_before=held_before)
    return Change(payment=after, before=payment, lease_token=0, events=(event,))


def hold_alone(work: Work, actor: str) -> tuple[Change, ...]:
    """Nothing is put on record, and nothing goes on; a payment that is held for it stays so."""
    if work.payment.hold_reason is HoldReason.RECOVERED:
        return ()
    return (held(work.payment, actor, _held_before(work)),)


def _held_before(work: Work) -> str:
    return work.payment.hold_reason or ""


class _TakingUp:
    """The payment on its way, and the changes so far."""

    def __init__(
        self,
        work: Work,
        stated: Sequence[Stated],
        declared: Mapping[str, Capabilities],
        actor: str,
    ) -> None:
        self.work = work
        self.payment = work.payment
        self.changes: list[Change] = []
        self._declared = declared
        self._actor = actor
        tried = [a for a in (work.attempt, *work.earlier) if a is not None]
        self._known = {(a.step, a.number): a for a in tried}
        self._answers = {one.operation.listed.key: one.answer for one in stated}
        self._stated = stated
        # Nothing of them has left this database; an intent of ours may be among them.
        self._lost = {
            place: one
            for one in stated
            if (known := self._known.get(place := (one.operation.step, one.operation.number)))
            is None
            or known.state is AttemptState.INTENDED
        }

    def check(self) -> None:
        """Raises Undecided where an answer is missing, or names what another attempt is."""
        for one in self._stated:
            operation, answer = one.operation, one.answer
            name = f"{operation.provider} about {operation.listed.key}"
            if not operation.number:
                raise Undecided(f"{operation.provider} does not name its operation")
            known = self._known.get((operation.step, operation.number))
            if known is not None and known.provider != operation.provider:
                raise Undecided(f"{known.provider} has {known.key} too")
            denied = answer.outcome is Outcome.ABSENT or answer.code == DENIAL
            is_lost = self._lost.get((operation.step, operation.number)) is one
            if not is_answered(answer) or (is_lost and denied):
                raise Undecided(f"no answer of {name}: start again once it answers")
            if operation.step is Step.REFUND and answer.code in MISMATCHES and not answer.amount:
                raise Undecided(f"{name} does not say how much: start again once it does")

    def record(self) -> None:
        """All of it."""
        self._correct_known()
        goes_back = self._of(Step.REFUND)
        followed = bool(goes_back or self._of(Step.PAYOUT))
        if self.payment.state is State.COMPLETED and followed:
            self._return_payout()
        if self.payment.state in _STAYS or not followed:
            self._beside()
        elif self.payment.state is State.REFUNDING:
            self._put(Step.COLLECTION)
            self._put(Step.PAYOUT)
            if goes_back:
                self._refund()
        else:
            self._go_on(goes_back=bool(goes_back))

    def _go_on(self, *, goes_back: bool) -> None:
        if self.payment.state in _COLLECTING:
            self._collect()
        else:
            self._put(Step.COLLECTION)
        if self.payment.state is State.FUNDED:
            self.payment = replace(self.payment, exchange_rule=ExchangeRule.PAYOUT_BOUGHT)
            self._move(State.CONVERTED, postings=exchange_postings)
        self._put(Step.PAYOUT, ends_all=True)
        if goes_back:
            self._refund()
        else:
            self._wait()

    def _of(self, step: Step) -> list[Stated]:
        return [one for place, one in sorted(self._lost.items()) if place[0] is step]

    def _correct_known(self) -> None:
        """An attempt that is over by our record has succeeded late where its provider has it."""
        for key, answer in self._answers.items():
            known = next((a for a in self._known.values() if a.key == key), None)
            if known is not None and known.state is AttemptState.FAILED:
                after = over(known, answer, self._declared)
                if after.succeeded_late and not known.succeeded_late:
                    self._note(after)

    def _return_payout(self) -> None:
        """The payout that counts has come back, as its provider says: another one, or a refund,
        followed."""
        for known in self._known.values():
            answer = self._answers.get(known.key)
            counts = known.step is Step.PAYOUT and known.state is AttemptState.SUCCEEDED
            if counts and answer is not None and says_failed(known, answer, self._declared):
                work = replace(self.work, payment=self.payment, inbox=())
                returned = return_payout(work, known, replace(answer, actor=self._actor))
                self._add(with_suspense(self.work, returned))

    def _beside(self) -> None:
        """The payment stays where it is: a collection that follows its first goes on, and all else
        is over."""
        collecting = self.payment.state in _COLLECTING
        last = self._of(Step.COLLECTION)[-1:] if collecting else []
        for step in Step:
            self._put(step, but=last[0] if last and step is Step.COLLECTION else None)
        for one in last:
            self._collecting(one)

    def _collecting(self, one: Stated) -> None:
        """Its provider is asked about it after the release, as about any that was sent."""
        attempt = self._made(one)
        moved = moved_by(attempt, one.answer)
        state = AttemptState.UNKNOWN if moved else AttemptState.SENT
        attempt = replace(attempt, state=state, moved=moved)
        self.payment = replace(self.payment, onramp=attempt.provider)
        if self.payment.state is State.CREATED:
            self._move(State.COLLECTING)
        self._note(attempt)

    def _collect(self) -> None:
        """The collection that the payment goes by has succeeded, or is known to have come back."""
        found = [*self._of(Step.COLLECTION), *self._open_collections()]
        if not found:
            raise Undecided("no onramp has a collection of it")
        right = [one for one in found if one.answer.outcome is Outcome.SUCCEEDED]
        one = right[0] if right else found[-1]
        self._put(Step.COLLECTION, but=one, ends_all=True)
        attempt = self._made(one)
        moved = moved_by(attempt, one.answer) or attempt.nothing
        attempt = replace(
            attempt, state=AttemptState.SUCCEEDED, failure=None, moved=None, inconclusive_count=0
        ).known_to_have_moved(moved)
        self.payment = replace(
            self.payment, onramp=attempt.provider, collection_reference=attempt.provider_reference
        )
        if self.payment.state is State.CREATED:
            self._move(State.COLLECTING)
        self._move(State.FUNDED, attempt, postings=collection_postings)

    def _open_collections(self) -> list[Stated]:
        return [
            one
            for one in self._stated
            if (known := self._known_as(one)) is not None
            and known.step is Step.COLLECTION
            and known.is_live
        ]

    def _known_as(self, one: Stated) -> Attempt | None:
        """The attempt of the database that it is about; None where it was lost."""
        place = (one.operation.step, one.operation.number)
        return None if self._lost.get(place) is one else self._known.get(place)

    def _made(self, one: Stated) -> Attempt:
        """Its attempt, with our own intent where there was one."""
        operation, answer = one.operation, one.answer
        known = self._known.get((operation.step, operation.number))
        amount = answer.amount if operation.step is Step.REFUND else None
        attempt = known or made_of(self.payment, one, amount)
        reference = answer.provider_reference or operation.listed.provider_reference
        return replace(attempt, provider_reference=reference or attempt.provider_reference)

    def _late(self, one: Stated) -> Attempt:
        return over(self._made(one), one.answer, self._declared)

    def _put(self, step: Step, *, but: Stated | None = None, ends_all: bool = False) -> None:
        """Every operation of the step on record, without a gap; what was open before the last one,
        or anywhere, is over."""
        lost = {one.operation.number: self._late(one) for one in self._of(step)}
        self._number(step, lost, but=but.operation.number if but else 0, ends_all=ends_all)

    def _number(
        self, step: Step, lost: Mapping[int, Attempt], *, but: int = 0, ends_all: bool = False
    ) -> None:
        numbers = [number for kind, number in self._known if kind is step] if ends_all else []
        for number in range(1, max((*lost, *numbers, but), default=0) + 1):
            known = self._known.get((step, number))
            if number == but:
                continue
            if number in lost:
                self._note(lost[number])
            elif known is None:
                self._note(never_listed(self.payment, step, number))
            elif known.is_live and known.state is not AttemptState.SUCCEEDED:
                self._note(self._ended(known))

    def _ended(self, known: Attempt) -> Attempt:
        answer = self._answers.get(known.key)
        return never_left(known) if answer is None else over(known, answer, self._declared)

    def _refund(self) -> None:
        """The money went back, or is on its way: nothing is paid out any more."""
        lost = {one.operation.number: self._late(one) for one in self._of(Step.REFUND)}
        last = self._of(Step.REFUND)[-1]
        is_open = last.answer.outcome is Outcome.PENDING
        shown = [attempt for attempt in lost.values() if attempt.moved == attempt.amount]
        own = lost[last.operation.number] if is_open or not shown else shown[0]
        refund = self._refund_of(own)
        if is_open:
            own = replace(own, state=AttemptState.ACCEPTED, failure=None, moved=None)
        lost[own.number] = replace(own, refund=refund) if own.refund is None else own
        self._number(Step.REFUND, lost, ends_all=True)

    def _refund_of(self, own: Attempt) -> int | None:
        """The number of the refund that the attempt is a try of; None where another is."""
        if self.payment.state is not State.REFUNDING:
            return self._begin_refund(own).number
        refund = open_refund(self.payment)
        tried = [a for a in self._known.values() if refund and a.refund == refund.number]
        is_done = any(self._ended(a).succeeded_late for a in tried if a.is_live)
        is_its = refund is not None and refund.amount == own.amount and not is_done
        return refund.number if refund is not None and is_its else None

    def _begin_refund(self, own: Attempt) -> Refund:
        payment = self.payment
        if own.amount > payment.refundable:
            # Cancelled within its window, so that the fees went back too.
            payment = replace(payment, refund_fees=RefundFees.RETURNED)
        if own.amount > payment.refundable or own.provider != payment.onramp:
            raise Undecided(f"{own.provider} gave more back under {own.key} than was collected")
        begun = begin_refund(
            Change(payment=payment, before=self.payment, lease_token=0),
            own.amount,
            actor=self._actor,
            cause=Cause.STEP_RECOVERED,
            provider=own.provider,
            key=own.key,
        )
        refund = replace(begun.payment.refunds[-1], requested_by="worker")
        self._add(replace(begun, payment=with_refund(begun.payment, refund), due_in=None))
        return refund

    def _wait(self) -> None:
        """Nothing more is paid out by itself: the payment waits for what its payouts have done."""
        tried = [c.attempt for c in self.changes if c.attempt and c.attempt.step is Step.PAYOUT]
        failed = [a.failure for a in tried if a.failure not in (LATE, NOT_LISTED)]
        failure = (failed or [self.payment.failure])[-1] or ASKED
        for state in (State.PAYING_OUT, State.ACTION_REQUIRED):
            if self.payment.state not in (state, State.ACTION_REQUIRED):
                self._move(state)
        self.payment = replace(self.payment, failure=failure)

    def _note(self, attempt: Attempt) -> None:
        before = self._known.get((attempt.step, attempt.number))
        cause = Cause.STEP_RECOVERED
        self._add(put_on_record(self.payment, attempt, self._actor, before=before, cause=cause))

    def _move(
        self,
        to: State,
        attempt: Attempt | None = None,
        postings: Callable[[Payment], tuple[Posting, ...]] | None = None,
    ) -> None:
        before = self.payment
        cause = Cause.STEP_RECOVERED
        facts = {"key": attempt.key, "provider": attempt.provider} if attempt else {}
        payment, event = before.moved(to, actor=self._actor, cause=cause, **facts)
        posted = postings(payment) if postings else ()
        if attempt is not None:
            known = self._known.get((attempt.step, attempt.number))
            posted = (*posted, *suspense_postings(known, attempt))
        self._add(
            Change(
                payment=payment,
                before=before,
                lease_token=0,
                attempt=attempt,
                events=(event,),
                postings=posted,
            )
        )

    def _add(self, change: Change) -> None:
        self.changes.append(change)
        self.payment = change.payment
