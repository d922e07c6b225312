"""Asks each provider about the operations of one payment: those that were lost, those that the
database has as open, and payouts that no list has, which may lag or be cut off."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace

from services.payments.engine.decisions.facts import Work
from services.payments.mesh.ports import ListedOperation, ProviderCall, Providers
from services.payments.model.answer import MISMATCHES, UNFUNDED, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step, intend
from services.payments.model.payment import Payment
from services.payments.recovery.ports import LostOperation, Stated

_UNASKED = Answer(outcome=Outcome.UNKNOWN)


def open_operations(work: Work, lost: Sequence[LostOperation]) -> Sequence[LostOperation]:
    """The attempts of the database whose providers may say another outcome by now, as operations: a
    payout that counts too, because it may have come back."""
    keys = {one.listed.key for one in lost}
    tried = (work.attempt, *work.earlier)
    return [_operation(a) for a in tried if a is not None and a.key not in keys and _is_open(a)]


def numbers_of_payouts(work: Work) -> Collection[int]:
    """The numbers of the payouts that have left this database."""
    tried = [a for a in (work.attempt, *work.earlier) if a is not None and a.step is Step.PAYOUT]
    return {one.number for one in tried if one.state is not AttemptState.INTENDED}


def _is_open(attempt: Attempt) -> bool:
    may_come_back = attempt.step is Step.PAYOUT and attempt.state is AttemptState.SUCCEEDED
    return may_come_back or (attempt.is_live and attempt.state is not AttemptState.INTENDED)


def _operation(attempt: Attempt) -> LostOperation:
    listed = ListedOperation(
        key=attempt.key, provider_reference=attempt.provider_reference, created_at=attempt.sent_at
    )
    return LostOperation(provider=attempt.provider, step=attempt.step, listed=listed)


class Asking:
    """Looks up, and sends nothing."""

    def __init__(self, providers: Providers, declared: Collection[str]) -> None:
        """`declared` are the providers of the deployment: no other one can be asked."""
        self._providers = providers
        self._declared = declared

    async def ask(
        self, payment: Payment, operations: Sequence[LostOperation], paid: Collection[int] = ()
    ) -> Sequence[Stated]:
        """Every provider about every operation, in the order of the steps, and every offramp of the
        route about each further number of a payout; `paid` are those that are on record. A refund
        is asked about with its collection, and once more with its own amount, which only its
        provider knows."""
        collections = [one for one in operations if one.step is Step.COLLECTION]
        stated = [one async for one in self._stated(payment, collections)]
        succeeded = [one for one in stated if one.answer.outcome is Outcome.SUCCEEDED]
        for one in (succeeded or stated)[:1]:
            named = one.operation.listed.provider_reference
            payment = replace(payment, collection_reference=named)
        others = [one for one in operations if one.step is not Step.COLLECTION]
        said = [one async for one in self._stated(payment, others)]
        for provider in [one for one in payment.route.offramps if one in self._declared]:
            unlisted = _unlisted(payment, provider, operations, paid)
            said += [one async for one in self._stated(payment, unlisted) if _is_there(one.answer)]
        return [*stated, *[await self._of_part(payment, one) for one in said]]

    async def _of_part(self, payment: Payment, one: Stated) -> Stated:
        amount = one.answer.amount
        if one.operation.step is not Step.REFUND or one.answer.code not in MISMATCHES or not amount:
            return one
        asked = _call(payment, one.operation)
        call = replace(asked, attempt=replace(asked.attempt, amount=amount))
        answers = dict([answer async for answer in self._providers.look_up([call])])
        said = answers.get(one.operation.listed.key, one.answer)
        succeeded = said.outcome is Outcome.SUCCEEDED
        return replace(one, answer=replace(said, amount=amount) if succeeded else said)

    async def _stated(
        self, payment: Payment, operations: Sequence[LostOperation]
    ) -> AsyncIterator[Stated]:
        if not operations:
            return
        calls = [_call(payment, one) for one in operations]
        answers = dict([answer async for answer in self._providers.look_up(calls)])
        for one in operations:
            yield _stated(one, answers.get(one.listed.key, _UNASKED))


def _stated(operation: LostOperation, answer: Answer) -> Stated:
    """One that nobody has funded has no id on record, as in all other work: the engine asks by its
    key whether anything has moved since, and a provider that has nothing to show for it says so."""
    if answer.code == UNFUNDED:
        listed = replace(operation.listed, provider_reference="")
        operation = replace(operation, listed=listed)
        answer = replace(answer, provider_reference="")
    return Stated(operation=operation, answer=answer)


def _unlisted(
    payment: Payment, provider: str, operations: Sequence[LostOperation], paid: Collection[int]
) -> Sequence[LostOperation]:
    """The payouts that an offramp may have all the same: each number that is not there, and the
    one after the last."""
    listed = {one.number for one in operations if one.step is Step.PAYOUT}
    numbers = {*range(1, max((*listed, *paid), default=0) + 2)} - listed - {*paid}
    keys = [intend(payment, Step.PAYOUT, number).key for number in sorted(numbers)]
    return [LostOperation(provider=provider, step=Step.PAYOUT, listed=_found(key)) for key in keys]


def _found(key: str) -> ListedOperation:
    return ListedOperation(key=key, provider_reference="", created_at=None)


def _is_there(answer: Answer) -> bool:
    """Whether the provider has it, or does not say."""
    return answer.outcome is not Outcome.ABSENT


def _call(payment: Payment, operation: LostOperation) -> ProviderCall:
    attempt = replace(
        intend(payment, operation.step, operation.number),
        provider=operation.provider,
        key=operation.listed.key,
        state=AttemptState.SENT,
        provider_reference=operation.listed.provider_reference,
    )
    return ProviderCall(payment=payment, attempt=attempt)
