"""The transactions of operators with failpoints around their commits."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from services.payments.engine.decisions.facts import Change
from services.payments.operators.ports import Operations, OperatorTransaction
from tests.chaos.failpoints import Failpoints, Swept


class SweptOperations(Swept):
    """The operators' transactions."""

    _inner: Operations

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["SweptOperatorTransaction"]:
        async with self._inner.begin() as transaction:
            yield SweptOperatorTransaction(transaction, self._failpoints)


class SweptOperatorTransaction(Swept):
    """C1 and C2: in an operator's transaction. A preview commits nothing."""

    _inner: OperatorTransaction

    def __init__(self, inner: OperatorTransaction, failpoints: Failpoints) -> None:
        super().__init__(inner, failpoints)
        self._asked: list[tuple[str, str]] = []

    async def write(self, changes: Sequence[Change]) -> Collection[UUID]:
        self._asked = [("force", c.payment.reference) for c in changes if c.corrects]
        return await self._inner.write(changes)

    async def commit(self) -> None:
        await self._failpoints.hit("C1", *self._asked)
        await self._inner.commit()
        await self._failpoints.hit("C2", *self._asked)
