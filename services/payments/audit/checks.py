"""Runs the audit: every invariant and every figure, all of the same moment. Over all payments,
changing nothing, or beside the work over a part of them at a time, where it lists for operators
which rows cannot be read. A statement that a value breaks says so, and the others go on."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.audit import figures
from services.payments.audit.adjusted import find_agreed
from services.payments.audit.invariants.attempts import ATTEMPTS
from services.payments.audit.invariants.book import BOOK
from services.payments.audit.invariants.history import HISTORY
from services.payments.audit.invariants.queue import QUEUE
from services.payments.audit.invariants.refunds import REFUNDS
from services.payments.audit.invariants.terms import TERMS
from services.payments.audit.invariants.trail import TRAIL
from services.payments.audit.overridden import read_agreed
from services.payments.audit.parts import FIRST, SIGHT, WHOLE_ONLY, part_after
from services.payments.audit.prices import Prices
from services.payments.audit.report import Accounts, Backlog, Finding, Report
from services.payments.audit.search import Look, Place, search
from services.payments.base import rows, sources
from services.payments.base.unreadable import Source, UnreadableRow
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.engine.store.overdue import count_overdue
from services.payments.model.payment import ALLOWED, SETTLED, STATUS_OF
from services.payments.model.progress import STEPS, expected_times
from services.payments.model.timing import LOOKS_AHEAD
from services.shared.db import DURABILITY, connected
from services.shared.db_errors import FailureKind, failure_of
from services.shared.errors import Unavailable
from services.shared.log import get_logger
from services.shared.money import EXPONENTS, SOURCE_CURRENCY

INVARIANTS: Mapping[str, str] = {
    **BOOK,
    **HISTORY,
    **ATTEMPTS,
    **REFUNDS,
    **TERMS,
    **QUEUE,
    **TRAIL,
}
READABLE = "every row can be read"
COMPUTABLE = "every figure can be computed"
SAMPLE = 3
# How many rows of each table a part reads, and how many that could not be read it reads again.
READ_ROWS, REREAD_ROWS = 1_000, 200
# How many payments a part has at least: of the newest, and as many others.
PART_SIZE = 2_000
# The kinds of account; the currency follows the last colon.
ACCOUNTS = (
    r"^((onramp|offramp|suspense):[a-z0-9_]+:[A-Z]{3}|(payments|chargebacks|adjustments):[A-Z]{3}"
    rf"|revenue:(fees|fx):{SOURCE_CURRENCY}|fx:(position|rounding):[A-Z]{{3}})$"
)
# The worker that holds it audits; any number that is no other lock's in this database.
LOCK = 7251990001
_UNBOUNDED: Mapping[str, Any] = {}
_START = ("", "")
_NO_BACKLOG = Backlog(payments=0, oldest_seconds=0)

Figure = TypeVar("Figure")
_ONE_AT_A_TIME = text(f"SELECT pg_try_advisory_xact_lock({LOCK})")


class PostgresAudit:
    """Checks every invariant, each over all payments or over a part of them."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        overdue_seconds: float,
        part_size: int = PART_SIZE,
        decode_answer: Callable[[str, bytes], object] | None = None,
    ) -> None:
        """A payment is forgotten when it has been due, unclaimed, for longer than that.

        decode_answer raises for a stored answer that cannot be given again.
        """
        self._engine = engine
        self._unreadable = UnreadableRows(engine, decode_answer)
        # The place up to which each table, and the list of unreadable rows, has been read.
        self._places: dict[str, Place] = {}
        self._reread = _START
        self._part_size = part_size
        # How far the parts have come; a new process begins again.
        self._last = FIRST
        self._parameters: Mapping[str, Any] = {
            "settled": sorted(SETTLED),
            "allowed": rows.as_json(
                {"start": start, "goal": goal} for start, goals in ALLOWED.items() for goal in goals
            ),
            "holds": figures.HELD_BY_CAUSE,
            "statuses": json.dumps(STATUS_OF),
            "digits": json.dumps(EXPONENTS),
            "accounts": ACCOUNTS,
            "durability": list(DURABILITY),
            "overdue": overdue_seconds,
            "carried": sorted(STEPS),
            "ahead": LOOKS_AHEAD.total_seconds(),
        }

    async def report(self) -> Report:
        """Everything, all of the same moment, every row read."""
        async with self._snapshot() as connection:
            report = await self._report(connection)
            found: list[UnreadableRow] = []
            prices, agreed = Prices(await read_agreed(connection)), await find_agreed(connection)
            for source in self._unreadable.sources.values():
                found += (await search(connection, source, None, None, _look(source, prices)))[0]
        report = _with_apart(report, prices, agreed)
        return _with_unreadable(report, len(found), found)

    async def report_part_unless_running(self) -> Report | None:
        """The newest payments and the next of the others, or everything once they have all had
        their turn; None where another process is at it.

        Beside that some rows of each table are read, and those that cannot be are listed.
        """
        async with self._snapshot() as connection:
            if not (await connection.execute(_ONE_AT_A_TIME)).scalar_one():
                return None
            report = await self._report_part(connection)
            prices, agreed = Prices(await read_agreed(connection)), await find_agreed(connection)
            found = await self._read_next(connection, prices)
        report = _with_apart(report, prices, agreed)
        return _with_unreadable(report, await self._list(found), found)

    async def _list(self, found: Sequence[UnreadableRow]) -> int:
        """Brings the list of unreadable rows up to date; gives the number of rows on it."""
        try:
            await self._unreadable.keep(found)
            self._reread = await self._unreadable.end_repaired(self._reread, REREAD_ROWS) or _START
            return await self._unreadable.count()
        except Unavailable as error:
            # A disk without room keeps no list, and what was found is still to be published.
            get_logger().warning("unreadable_rows_not_kept", reason=error.cause or error.message)
            return len(found)

    async def _report_part(self, connection: AsyncConnection) -> Report:
        part = await part_after(connection, self._last, self._part_size)
        if part.is_all or self._last != part.after:
            # Noted first: a look at everything that takes too long is not tried at each turn.
            self._last = part.until
            return await self._report(connection)
        # A part is small: whatever the planner thinks of the whole, the way is by index.
        await connection.execute(text("SET LOCAL random_page_cost = 1.1"))
        report = await self._report(connection, SIGHT, part.parameters)
        self._last = part.until
        return report

    async def _read_next(
        self, connection: AsyncConnection, prices: Prices
    ) -> Sequence[UnreadableRow]:
        found: list[UnreadableRow] = []
        for name, source in self._unreadable.sources.items():
            after = self._places.get(name)
            unreadable, self._places[name] = await search(
                connection, source, after, READ_ROWS, _look(source, prices)
            )
            found += unreadable
        return found

    async def accounts(self) -> Accounts:
        """The parts of the accounts of providers."""
        async with self._snapshot() as connection:
            return Accounts(
                flows=await figures.read_flows(connection),
                suspended=await figures.read_suspense(connection),
            )

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        async with connected(self._engine) as connection:
            await connection.execute(
                text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            )
            # Enough for what a statement sorts and joins to stay in memory.
            await connection.execute(text("SET LOCAL work_mem = '64MB'"))
            yield connection

    async def _report(
        self, connection: AsyncConnection, sight: str = "", bounds: Mapping[str, Any] = _UNBOUNDED
    ) -> Report:
        findings = [
            await self._find(connection, invariant, statement, sight, bounds)
            for invariant, statement in INVARIANTS.items()
            if not (sight and invariant in WHOLE_ONLY)
        ]
        failed: list[str] = []

        async def read(name: str, ask: Awaitable[Figure], otherwise: Figure) -> Figure:
            figure, failure = await _apart(connection, ask, otherwise)
            if failure:
                failed.append(f"{name}: {failure}")
            return figure

        report = Report(
            findings=findings,
            balances=await read("balances", figures.read_balances(connection), ()),
            held=await read("held", figures.read_held(connection), ()),
            waiting=await read("waiting", figures.read_waiting(connection), ()),
            set_aside=await read("set aside", figures.read_set_aside(connection), {}),
            backlog=await read("backlog", figures.read_backlog(connection), _NO_BACKLOG),
            trail=await read("trail", figures.read_trail(connection), None),
            overdue=await read("overdue", count_overdue(connection, expected_times({})), ()),
        )
        computed = Finding(
            invariant=COMPUTABLE, violations=len(failed), examples=tuple(failed[:SAMPLE])
        )
        return replace(report, findings=[*findings, computed])

    async def _find(
        self,
        connection: AsyncConnection,
        invariant: str,
        statement: str,
        sight: str,
        bounds: Mapping[str, Any],
    ) -> Finding:
        counted = text(
            f"{sight} SELECT count(*) AS violations, (array_agg(subject))[1:{SAMPLE}] AS examples "
            f"FROM ({statement}) AS found(subject)"
        )
        needed = {n: v for n, v in self._parameters.items() if f":{n}" in statement}
        asking = connection.execute(counted, {**needed, **bounds})
        found, failure = await _apart(connection, asking, None)
        if found is None:
            # It did not answer, so it is not known to hold.
            return Finding(invariant=invariant, violations=1, examples=(f"not known: {failure}",))
        row = found.one()
        return Finding(
            invariant=invariant,
            violations=row.violations,
            examples=tuple(row.examples or ()),
        )


def _look(source: Source[Any], prices: Prices) -> Look | None:
    return prices.look if source is sources.QUOTES else None


async def _apart(
    connection: AsyncConnection, asking: Awaitable[Figure], otherwise: Figure
) -> tuple[Figure, str]:
    """The figure of a statement; or the error, where a value in the database breaks it."""
    try:
        async with connection.begin_nested():
            return await asking, ""
    except Exception as error:
        failure = failure_of(error)
        if failure is None or failure.kind is not FailureKind.MISTAKE:
            raise
        return otherwise, str(failure)


def _with_apart(report: Report, prices: Prices, agreed: Finding) -> Report:
    """With the findings that no statement of an invariant makes."""
    apart = [prices.finding, prices.overridden, agreed]
    return replace(report, findings=[*report.findings, *apart])


def _with_unreadable(report: Report, number: int, found: Sequence[UnreadableRow]) -> Report:
    examples = tuple(
        " ".join(part for part in (row.table, row.column, row.transaction_id or row.key) if part)
        for row in found[:SAMPLE]
    )
    finding = Finding(invariant=READABLE, violations=number, examples=examples)
    return replace(report, findings=[*report.findings, finding])
