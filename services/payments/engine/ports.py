"""The transactions of the worker, and of merchants' cancels and refunds."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.base.idempotency import IdempotencyKey, StoredAnswer
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.quarantine import EventFailure, Lease, StepFailure
from services.payments.model.payment import Payment


class WorkTransaction(Protocol):
    """One transaction of the worker; leaving it without commit() undoes it."""

    # Payments that it claimed and cannot read, each with the error, and those of them that it has
    # set aside for it.
    unreadable: Mapping[UUID, str]
    unreadable_held: Collection[UUID]

    async def untouched(
        self, work: Sequence[Work], *, lease_seconds: float
    ) -> tuple[datetime, Collection[UUID]]:
        """The database's time, and the ids of those payments that nothing has happened to since
        they were claimed, and whose lease lasts so much longer. Nothing will until commit()."""
        ...

    async def claim(
        self,
        owner: str,
        *,
        limit: int,
        lease_seconds: float,
        created_after: datetime | None = None,
    ) -> Sequence[Work]:
        """Takes due payments that nobody holds, oldest first, each under a new lease token; only
        those that were created after a moment, where one is given.

        A payment whose row cannot be read fails at once, and is not among them; nor is one that has
        failed before.
        """
        ...

    async def claim_counted(
        self,
        owner: str,
        *,
        limit: int,
        lease_seconds: float,
        failed_before: bool,
        created_after: datetime | None = None,
    ) -> Sequence[Lease]:
        """Claims, and counts a failure against each, to be committed before it is read.

        Takes payments whose step has broken down before, or those whose step has not.
        """
        ...

    async def take_up(self, leases: Sequence[Lease]) -> Sequence[Work]:
        """The work of counted payments; this transaction uncounts their failures."""
        ...

    async def release(self, leases: Sequence[Lease], *, uncounted: bool) -> None:
        """Ends the leases of counted payments, which are due at once; uncounts the failures or
        not."""
        ...

    async def count(self, failures: Sequence[StepFailure]) -> None:
        """Counts a failure against each payment, and leaves its lease to run out."""
        ...

    async def fail(
        self, failures: Sequence[StepFailure], *, counted: bool = False
    ) -> Collection[UUID]:
        """Counts a failure against each payment, unless that is done, and lets it rest.

        Sets aside a payment that has failed too often in a row; gives the ids of those.
        """
        ...

    async def set_aside(self) -> Collection[UUID]:
        """Sets aside each payment that has failed too often and whose worker could not do it."""
        ...

    async def fail_events(self, failures: Sequence[EventFailure]) -> None:
        """Counts a failure against each event, and sets aside those that failed too often."""
        ...

    async def lock(self, merchant_id: str, payment_id: UUID) -> tuple[Payment, bool]:
        """One payment, which nobody changes until this transaction ends, and whether a worker has
        it under a lease. Raises PaymentNotFound."""
        ...

    async def request_cancel(self, payment: Payment) -> Payment:
        """Records the merchant's request and makes the payment due; gives it as it is then."""
        ...

    async def answer(self, key: IdempotencyKey) -> StoredAnswer | None:
        """The first answer that was given under a key."""
        ...

    async def keep_answer(
        self, key: IdempotencyKey, answer: StoredAnswer, payment_id: UUID, *, operation: str
    ) -> StoredAnswer:
        """Keeps an answer under a key; gives the one that is kept, which may be another's."""
        ...

    async def claim_one(self, merchant_id: str, payment_id: UUID) -> Work:
        """Takes one payment for the length of this transaction, whether it is due or not.

        Raises PaymentNotFound, PaymentUnreadable, or PaymentBusy while somebody else has it.
        """
        ...

    async def corrections(self, merchant_id: str, payment_id: UUID) -> int:
        """How often a merchant has corrected the payment's recipient."""
        ...

    async def mark_sent(self, work: Sequence[Work]) -> Sequence[Work]:
        """Records that requests are about to leave; gives those whose lease still stands, without
        those that wait for the end of a pause."""
        ...

    async def rest_while_paused(self, work: Sequence[Work]) -> int:
        """Gives up the leases of those that wait for the end of a pause, and has them looked at
        again soon; how many."""
        ...

    async def write(self, changes: Sequence[Change]) -> Collection[UUID]:
        """Writes each change whose lease and version still stand; gives those payments' ids."""
        ...

    async def commit(self) -> None:
        """Makes all that the transaction wrote durable, or nothing of it."""
        ...


class WorkStore(Protocol):
    """Where the worker's transactions come from."""

    def begin(self) -> AbstractAsyncContextManager[WorkTransaction]:
        """A new transaction."""
        ...
