"""Claiming: batches in one transaction, and a payment that has failed before alone, in two. The
first of the two counts a failure, so that it is counted also where the worker dies of the
payment."""

import asyncio
from collections.abc import Sequence

from services.payments.base.errors import describe
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Plan, Work
from services.payments.engine.isolation import plan_apart, without_events
from services.payments.engine.ports import WorkStore, WorkTransaction
from services.payments.engine.quarantine import Lease, StepFailure
from services.payments.engine.reporting import report_failures
from services.shared.errors import Unavailable
from services.shared.ids import Prefix, encode_id
from services.shared.log import get_logger

# The plans, and the number of claimed payments.
Claimed = tuple[Sequence[Plan], int]


def _report_unreadable(transaction: WorkTransaction) -> None:
    """Counts payments that were claimed and cannot be read, and says which they are and why."""
    for payment_id, error in transaction.unreadable.items():
        get_logger().warning(
            "payment_unreadable", transaction_id=encode_id(Prefix.PAYMENT, payment_id), reason=error
        )
    report_failures(len(transaction.unreadable), transaction.unreadable_held)


class Claims:
    """The leases that one worker takes on due payments, and its work under each."""

    def __init__(
        self,
        store: WorkStore,
        decider: Decider,
        *,
        owner: str,
        lease_seconds: float,
        poll_seconds: float,
    ) -> None:
        self._store = store
        self._decider = decider
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        # A worker before this one may have died of a payment.
        self._careful = True
        self._look_at_failed_at = 0.0
        # Claimed and counted, and not read because the database went away.
        self._unread: list[Lease] = []

    def be_careful(self) -> None:
        """Makes the next batch count its failures before it is read, because the last one
        failed."""
        self._careful = True

    async def take(self, limit: int) -> Claimed:
        """Claims a batch and records its intents.

        Raises Unavailable, and any error of a batch; after be_careful() the next claim finds the
        payment that causes it.
        """
        if self._unread:
            await self._release_unread()
        if self._careful:
            plans, claimed = await self._claim_carefully(limit, failed_before=False)
            self._careful = claimed == limit
            return plans, claimed
        async with self._store.begin() as transaction:
            work = await transaction.claim(
                self._owner, limit=limit, lease_seconds=self._lease_seconds
            )
            plans = await self._plan(transaction, work)
            await transaction.commit()
        _report_unreadable(transaction)
        return plans, len(work)

    async def take_failed(self) -> Claimed:
        """Claims one payment whose step has broken down before, by itself; now and then."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at_failed_at:
            return (), 0
        self._look_at_failed_at = now + self._poll_seconds
        async with self._store.begin() as transaction:
            held = await transaction.set_aside()
            await transaction.commit()
        report_failures(0, held)
        plans, found = await self._claim_carefully(1, failed_before=True)
        if found:
            self._look_at_failed_at = now
        return plans, found

    async def _claim_carefully(self, limit: int, *, failed_before: bool) -> Claimed:
        """Claims, and counts a failure first, so that a process that dies has counted it."""
        async with self._store.begin() as transaction:
            leases = await transaction.claim_counted(
                self._owner,
                limit=limit,
                lease_seconds=self._lease_seconds,
                failed_before=failed_before,
            )
            await transaction.commit()
        if not leases:
            return (), 0
        try:
            return await self._take_up(leases), len(leases)
        except Unavailable:
            self._unread.extend(leases)
            raise
        except Exception as error:  # noqa: BLE001 - any error is counted
            get_logger().exception("claim_failed", size=len(leases))
            return await self._set_apart(leases, error), len(leases)

    async def _take_up(self, leases: Sequence[Lease], blamed: str = "") -> Sequence[Plan]:
        """Plans counted payments; without their events, where those have failed."""
        async with self._store.begin() as transaction:
            work = await transaction.take_up(leases)
            if blamed:
                work, failures = without_events(work, blamed)
                await transaction.fail_events(failures)
            plans = await self._plan(transaction, work)
            await transaction.commit()
        _report_unreadable(transaction)
        return plans

    async def _set_apart(self, leases: Sequence[Lease], error: Exception) -> Sequence[Plan]:
        """A batch that failed is taken one by one; a payment that fails alone has failed."""
        if len(leases) > 1:
            async with self._store.begin() as transaction:
                await transaction.release(leases, uncounted=False)
                await transaction.commit()
            self._look_at_failed_at = 0.0
            return ()
        try:
            return await self._take_up(leases, blamed=describe(error))
        except Unavailable:
            self._unread.extend(leases)
            raise
        except Exception as alone:  # noqa: BLE001 - any error is counted
            failures = [StepFailure(lease=lease, error=describe(alone)) for lease in leases]
            async with self._store.begin() as transaction:
                held = await transaction.fail(failures, counted=True)
                await transaction.commit()
            report_failures(1, held)
            return ()

    async def _release_unread(self) -> None:
        """Releases and uncounts the payments that were not read because the database went away."""
        async with self._store.begin() as transaction:
            await transaction.release(self._unread, uncounted=True)
            await transaction.commit()
        self._unread.clear()

    async def _plan(self, transaction: WorkTransaction, work: Sequence[Work]) -> Sequence[Plan]:
        """Plans each, and writes the changes and the failures."""
        planned = plan_apart(self._decider, work)
        held = await transaction.fail(planned.failures)
        await transaction.fail_events(planned.event_failures)
        await transaction.write(
            [plan.change for plan in planned.plans if not plan.change.is_nothing]
        )
        report_failures(len(planned.failures), held)
        return planned.plans
