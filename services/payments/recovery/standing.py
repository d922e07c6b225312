"""Whether the database is as new as what has happened. Two things say that it is older: its mark,
which only grows, is smaller than this process has seen it; or a provider has an operation of ours
that the database never sent. Every send is committed before it leaves, so that neither can be while
the database is the one that it was. An old primary beside a new one looks the same to whoever reads
it; but it keeps nothing, so that only what is kept by the database itself stays true."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime

from prometheus_client import Gauge

from services.payments.base.errors import describe
from services.payments.mesh.ports import ListedOperation, OperationLists
from services.payments.model.attempt import Step
from services.payments.model.timing import (
    ADMITTED_SECONDS,
    CLOCK_SKEW,
    COMPARE_EVERY_SECONDS,
    COMPARE_FIRST_SECONDS,
    COMPARE_OVERLAP,
    COMPARE_SKEW,
    COMPARE_START_SECONDS,
    MARK_EVERY_SECONDS,
    START_RETRY_SECONDS,
)
from services.payments.recovery.ports import DatabaseOlder, Mark, Marks, NotCompared
from services.shared.errors import DomainError, NotFound, Unavailable
from services.shared.log import get_logger

Source = tuple[str, Step]
OLDER = Gauge(
    "caravel_database_older",
    "1 while the database is older than what providers have, so that nothing is sent or created.",
)
NOT_COMPARED = Gauge(
    "caravel_lists_not_compared",
    "Lists of providers that were not compared since the process began: earlier payments wait.",
)
WENT_BACK = "the mark of the database went back while a process looked on"
# The comparison itself reaches an older database at any time.
_COMPARES: ContextVar[bool] = ContextVar("compares", default=False)


class Standing:
    """One process's knowledge of it."""

    def __init__(self, marks: Marks, lists: OperationLists, *, grows: bool) -> None:
        """`grows` is for a process that makes the mark grow; others only read it."""
        self._marks = marks
        self._lists = lists
        self._grows = grows
        self._seen: Mark | None = None
        # The greatest number seen since an operator last took the database as it is.
        self._greatest = 0
        self._went_back = False
        self._refuses_all_until = float("-inf")
        # A payment that was created later has lost nothing: its id is new.
        self._began = datetime.now(UTC) + CLOCK_SKEW
        # Not compared since this process began.
        self._waiting: set[Source] = set()
        self._is_listed = False

    @property
    def is_older(self) -> bool:
        """Whether the database is known to be older than what has happened."""
        return self._went_back or (self._seen is not None and self._seen.finding != "")

    def refuse(self) -> None:
        """Raises DatabaseOlder where nothing may be done from this database."""
        if self.is_older:
            raise DatabaseOlder

    def meet(self, read: Callable[[], Mark]) -> None:
        """Reads the mark behind a new connection. Another database can be below a running process
        only once every connection to the one before has ended, so that this comes before all else.
        While it is read, the mark may grow over another connection, and be seen."""
        before, greatest = self._seen, self._greatest
        if not _is_back(read(), before, greatest):
            return
        if not self._went_back:
            get_logger().error("database_older", finding=WENT_BACK)
            self._refuses_all_until = time.monotonic() + ADMITTED_SECONDS
        self._note_back()

    def admit(self) -> None:
        """Raises DatabaseOlder for whatever was admitted while the newer database was there."""
        if not _COMPARES.get() and time.monotonic() < self._refuses_all_until:
            self.refuse()

    async def ask(self) -> None:
        """The same, as a question of readiness."""
        self.refuse()

    @property
    def takes_created_after(self) -> datetime | None:
        """Only payments that were created later may be worked on: one from before this process may
        have been moved on by any provider that has not answered. None once all have."""
        return None if self._has_compared(*Step) else self._began

    def refuse_creation(self) -> None:
        """Raises DatabaseOlder, or NotCompared while an onramp has not answered: the request may be
        one that the database has lost."""
        self.refuse()
        if not self._has_compared(Step.COLLECTION):
            raise NotCompared

    async def begin(self, *, at_most_seconds: float = COMPARE_START_SECONDS) -> None:
        """Reads the mark and compares, before anything else; who does not answer soon is asked
        again later. Onramps, without which nothing is created, are waited for a little longer."""
        until = time.monotonic() + at_most_seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(COMPARE_FIRST_SECONDS):
                    await self._quietly(self._begin)
            is_known = self.is_older or self._has_compared(Step.COLLECTION)
            if is_known or time.monotonic() >= until:
                return
            await asyncio.sleep(START_RETRY_SECONDS)

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        every = round(COMPARE_EVERY_SECONDS / MARK_EVERY_SECONDS)
        turn = 0
        while True:
            await asyncio.sleep(MARK_EVERY_SECONDS)
            turn += 1
            await self._quietly(self.look)
            if turn % every == 0 or self._waiting or not self._is_listed:
                await self._quietly(self.compare)

    async def look(self) -> None:
        """Reads the mark, or makes it grow. Raises Unavailable."""
        mark = await (self._marks.grow() if self._grows else self._marks.read())
        if _is_back(mark, self._seen, self._greatest):
            # As long as it is so, also where it cannot be written down.
            self._note_back()
            # A database that has taken the new number is no old primary.
            await self._marks.find(WENT_BACK, below=None if self._grows else self._greatest)
            mark = await self._marks.read()
        self._take(mark)

    async def compare(self) -> None:
        """Asks every provider for its newest operations. Raises Unavailable."""
        sources = await self._lists.sources()
        # One that is not in the deployment any more is waited for no longer.
        self._waiting = self._waiting & set(sources) if self._is_listed else set(sources)
        self._is_listed = True
        mark = self._seen or await self._marks.read()
        answered = await asyncio.gather(*(self._compare(source, mark) for source in sources))
        NOT_COMPARED.set(len(self._waiting))
        if all(answered) and not mark.finding:
            await self._marks.note_compared()

    def _has_compared(self, *steps: Step) -> bool:
        """Whether every provider of these steps has answered since this process began."""
        return self._is_listed and all(step not in steps for _, step in self._waiting)

    def _note_back(self) -> None:
        self._went_back = True
        OLDER.set(1)

    async def _begin(self) -> None:
        self._take(await self._marks.read())
        await self.compare()

    async def _compare(self, source: Source, mark: Mark) -> bool:
        """Whether the provider has answered, or cannot be asked at all."""
        provider, _ = source
        try:
            listed = await self._list(source, mark)
            unknown = await self._marks.unknown(provider, listed)
            if unknown:
                # One that was begun while the list was read is named by its key in the next.
                again = {one.provider_reference: one for one in await self._list(source, mark)}
                listed = [again.get(one.provider_reference, one) for one in unknown]
                unknown = await self._marks.unknown(provider, listed)
        except NotFound:
            unknown = ()
        except Unavailable as error:
            get_logger().warning("not_compared", provider=provider, reason=str(error))
            return False
        if unknown:
            await self._find(source, unknown, listed)
        self._waiting.discard(source)
        return True

    async def _list(self, source: Source, mark: Mark) -> Sequence[ListedOperation]:
        provider, step = source
        expected = await self._marks.expected_keys(provider)
        page = await self._lists.read(
            provider, step, since=mark.compared_at - COMPARE_OVERLAP, expected_keys=expected
        )
        return [one for one in page.operations if counts(one, mark)]

    async def _find(
        self,
        source: Source,
        unknown: Sequence[ListedOperation],
        listed: Sequence[ListedOperation],
    ) -> None:
        first, (provider, step) = unknown[0], source
        name = first.key or first.provider_reference
        words = f"{provider} has {step} {name}, which this database has not sent"
        if await self._marks.find_unknown(words, provider, listed):
            get_logger().error("database_older", finding=words, operations=len(unknown))
        self._take(await self._marks.read())

    def _take(self, mark: Mark) -> None:
        before = self._seen
        self._went_back = _is_back(mark, before, self._greatest)
        self._greatest = max(self._greatest, mark.number) if self._went_back else mark.number
        self._seen = mark
        OLDER.set(self.is_older)
        if mark.finding and not (before and before.finding):
            get_logger().error("database_older", finding=mark.finding)

    async def _quietly(self, work: Callable[[], Awaitable[None]]) -> None:
        compares = _COMPARES.set(True)
        try:
            await work()
        except DomainError as error:
            get_logger().warning("comparison_waits", reason=str(error))
        except Exception as error:  # noqa: BLE001 - the loop must outlive whatever it meets
            get_logger().error("comparison_failed", error=describe(error))
        finally:
            _COMPARES.reset(compares)


def _is_back(mark: Mark, before: Mark | None, greatest: int) -> bool:
    """Whether a mark is smaller than the process knew before it was read, and no operator has taken
    the database as it is since. A copy from before an earlier acceptance is older too."""
    if before is None or mark.number >= greatest:
        return False
    was_taken = mark.accepted_at is not None and (
        before.accepted_at is None or mark.accepted_at > before.accepted_at
    )
    return not was_taken


def counts(one: ListedOperation, mark: Mark) -> bool:
    """An operator has taken the database as it was then, with all that it does not know."""
    accepted = mark.accepted_at
    return accepted is None or one.created_at is None or one.created_at > accepted + COMPARE_SKEW
