"""Works on the recovery that an operator has started. Each process looks for one, and the one that
takes it works alone; where that one dies, the next look of any other goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from services.payments.base.errors import describe
from services.payments.model.timing import RECOVERY_LOOK_SECONDS
from services.payments.recovery.course import Course, Recoveries, RecoveryState
from services.payments.recovery.ports import DatabaseOlder
from services.payments.recovery.recovering import Recovering
from services.shared.db_errors import DatabaseUnavailable
from services.shared.errors import DomainError
from services.shared.log import get_logger


class Running:
    """Looks for a recovery, and carries it to its end."""

    def __init__(
        self, recoveries: Recoveries, recovering: Callable[[], Awaitable[Recovering]]
    ) -> None:
        """`recovering` asks providers for their declarations first. Raises Unavailable."""
        self._recoveries = recoveries
        self._recovering = recovering
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is a recovery to look for."""
        self._woken.set()

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.work()
            except DomainError as error:
                get_logger().warning("recovery_waits", reason=str(error))
            except Exception as error:  # noqa: BLE001 - the loop must outlive whatever it meets
                get_logger().error("recovery_waits", error=describe(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(RECOVERY_LOOK_SECONDS):
                    await self._woken.wait()

    async def work(self) -> None:
        """Works on the one that is running until its end; nothing where there is none, or another
        process has it.

        Raises DatabaseUnavailable or DatabaseOlder where it cannot be ended; then it goes on later.
        """
        async with self._recoveries.taken() as course:
            if course is not None:
                await self._go_on(course)

    async def _go_on(self, course: Course) -> None:
        try:
            recovering = await self._recovering()
            report = await recovering.recover(course.operator, course)
        except (DatabaseUnavailable, DatabaseOlder):
            raise
        except DomainError as error:
            await course.end(RecoveryState.FAILED, error.message)
        except Exception as error:  # noqa: BLE001 - tried again, it would fail again each second
            get_logger().error("recovery_failed", error=describe(error))
            await course.end(RecoveryState.FAILED, describe(error))
        else:
            if not report.is_accepted:
                await course.end(RecoveryState.UNDECIDED)
