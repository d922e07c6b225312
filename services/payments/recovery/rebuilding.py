"""Makes a payment that the database has lost again: by the text that its collection took to the
onramp, and by what each provider answers about its operations when it is asked."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from services.payments.base.recovery_rows import Lost, read_recovery
from services.payments.mesh.ports import ProviderCall, Providers
from services.payments.model.attempt import (
    MISMATCHES,
    Answer,
    AttemptState,
    Capabilities,
    Outcome,
    Step,
    intend,
)
from services.payments.model.operator import Operator
from services.payments.model.payment import Payment
from services.payments.recovery.ports import Explained, LostOperation
from services.payments.recovery.rebuilt import NotRebuildable, Rebuilt, Stated, rebuild

NO_TEXT = "nothing at its onramp says what was agreed"
_UNASKED = Answer(outcome=Outcome.UNKNOWN)


class RebuiltPayments(Protocol):
    """The payments that were made again."""

    async def write(
        self, rebuilt: Rebuilt, operator: Operator, operations: Sequence[LostOperation]
    ) -> None:
        """Writes the payment with its key, its attempts and its postings, all or nothing; nothing
        where the database has it by now.

        Raises NotRebuildable where its key or its quote is another payment's, Unavailable.
        """
        ...

    async def explained(self, since: datetime | None) -> Explained:
        """The payments that were made again since then. Raises Unavailable."""
        ...


class Rebuilding:
    """One lost payment after the other; each is written in a transaction of its own."""

    def __init__(
        self,
        providers: Providers,
        payments: RebuiltPayments,
        declared: Mapping[str, Capabilities],
    ) -> None:
        self._providers = providers
        self._payments = payments
        self._declared = declared

    async def rebuild(self, operations: Sequence[LostOperation], operator: Operator) -> Payment:
        """The payment as it was written; once, however often this is done. Raises NotRebuildable
        with the reason, Unavailable."""
        lost = _read(operations)
        stated = await self._ask(lost.payment, operations)
        rebuilt = rebuild(lost, stated, self._declared, operator.actor)
        await self._payments.write(rebuilt, operator, operations)
        return rebuilt.payment

    async def explained(self, since: datetime | None) -> Explained:
        """All that was made again since then. Raises Unavailable."""
        return await self._payments.explained(since)

    async def _ask(self, payment: Payment, operations: Sequence[LostOperation]) -> Sequence[Stated]:
        """Every provider about every operation. A refund is asked about with its collection, and
        once more with its own amount, which only its provider knows."""
        collections = [one for one in operations if one.step is Step.COLLECTION]
        stated = [one async for one in self._stated(payment, collections)]
        succeeded = [one for one in stated if one.answer.outcome is Outcome.SUCCEEDED]
        named = next(iter(succeeded or stated)).operation.listed.provider_reference
        payment = replace(payment, collection_reference=named)
        others = [one for one in operations if one.step is not Step.COLLECTION]
        said = [one async for one in self._stated(payment, others)]
        return [*stated, *[await self._of_part(payment, one) for one in said]]

    async def _of_part(self, payment: Payment, one: Stated) -> Stated:
        amount = one.answer.amount
        if one.operation.step is not Step.REFUND or one.answer.code not in MISMATCHES or not amount:
            return one
        asked = _call(payment, one.operation)
        call = replace(asked, attempt=replace(asked.attempt, amount=amount))
        answers = dict([answer async for answer in self._providers.look_up([call])])
        return replace(one, answer=answers.get(one.operation.listed.key, one.answer))

    async def _stated(
        self, payment: Payment, operations: Sequence[LostOperation]
    ) -> AsyncIterator[Stated]:
        if not operations:
            return
        calls = [_call(payment, one) for one in operations]
        answers = dict([answer async for answer in self._providers.look_up(calls)])
        for one in operations:
            yield Stated(operation=one, answer=answers.get(one.listed.key, _UNASKED))


def _read(operations: Sequence[LostOperation]) -> Lost:
    for one in operations:
        if one.payment_id is not None and one.step is Step.COLLECTION:
            lost = read_recovery(one.payment_id, one.listed.recovery)
            if lost is not None:
                return lost
    raise NotRebuildable(NO_TEXT)


def _call(payment: Payment, operation: LostOperation) -> ProviderCall:
    attempt = replace(
        intend(payment, operation.step, operation.number),
        provider=operation.provider,
        key=operation.listed.key,
        state=AttemptState.SENT,
        provider_reference=operation.listed.provider_reference,
    )
    return ProviderCall(payment=payment, attempt=attempt)
