"""Makes a payment that the database has lost again: by the text that its collection took to the
onramp, and by what each provider answers about its operations when it is asked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.payments.base.recovery_rows import Lost, read_recovery
from services.payments.mesh.ports import Providers
from services.payments.model.attempt import Capabilities, Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Payment
from services.payments.recovery.asking import Asking
from services.payments.recovery.ports import Explained, LostOperation, Stated
from services.payments.recovery.rebuilt import NotRebuildable, Rebuilt, rebuild

NO_TEXT = "nothing at its onramp says what was agreed"


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
        self._asking = Asking(providers, declared)
        self._payments = payments
        self._declared = declared

    async def rebuild(self, operations: Sequence[LostOperation], operator: Operator) -> Payment:
        """The payment as it was written; once, however often this is done. Raises NotRebuildable
        with the reason, Unavailable."""
        lost = _read(operations)
        stated = await self._asking.ask(lost.payment, operations)
        rebuilt = rebuild(lost, stated, self._declared, operator.actor)
        await self._payments.write(rebuilt, operator, operations)
        return rebuilt.payment

    async def ask(
        self, payment: Payment, operations: Sequence[LostOperation], paid: Collection[int]
    ) -> Sequence[Stated]:
        """See Asking.ask."""
        return await self._asking.ask(payment, operations, paid)

    async def explained(self, since: datetime | None) -> Explained:
        """All that was made again since then. Raises Unavailable."""
        return await self._payments.explained(since)


def _read(operations: Sequence[LostOperation]) -> Lost:
    for one in operations:
        if one.payment_id is not None and one.step is Step.COLLECTION:
            lost = read_recovery(one.payment_id, one.listed.recovery)
            if lost is not None:
                return lost
    raise NotRebuildable(NO_TEXT)
