"""Runs the audit: every invariant and every figure, all of the same moment, changing nothing. Over
all payments, or beside the work over a part of them at a time."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.domain.overdue import STEPS, expected_times
from services.payments.domain.payment import ALLOWED, SETTLED, STATUS_OF
from services.payments.steps.timing import LOOKS_AHEAD
from services.payments.store import rows
from services.payments.store.audit import figures
from services.payments.store.audit.attempts import ATTEMPTS
from services.payments.store.audit.book import BOOK
from services.payments.store.audit.history import HISTORY
from services.payments.store.audit.parts import FIRST, SIGHT, WHOLE_ONLY, part_after
from services.payments.store.audit.queue import QUEUE
from services.payments.store.audit.report import Accounts, Finding, Report
from services.payments.store.audit.terms import TERMS
from services.payments.store.overdue import count_overdue
from services.shared.db import DURABILITY, connected
from services.shared.money import EXPONENTS, SOURCE_CURRENCY

INVARIANTS: Mapping[str, str] = {**BOOK, **HISTORY, **ATTEMPTS, **TERMS, **QUEUE}
SAMPLE = 3
# How many payments a part has at least: of the newest, and as many others.
PART_SIZE = 2_000
# The kinds of account that there are; what follows the last colon is the currency.
ACCOUNTS = (
    r"^((onramp|offramp|suspense):[a-z0-9_]+:[A-Z]{3}|payments:[A-Z]{3}"
    rf"|revenue:(fees|fx):{SOURCE_CURRENCY}|fx:(position|rounding):[A-Z]{{3}})$"
)
# Whoever holds it audits; any number that is no other lock's in this database.
LOCK = 7251990001
_UNBOUNDED: Mapping[str, Any] = {}
_ONE_AT_A_TIME = text(f"SELECT pg_try_advisory_xact_lock({LOCK})")


class PostgresAudit:
    """Checks every invariant, each over all payments or over a part of them."""

    def __init__(
        self, engine: AsyncEngine, *, overdue_seconds: float, part_size: int = PART_SIZE
    ) -> None:
        """A payment is forgotten when it has been due, unclaimed, for longer than that."""
        self._engine = engine
        self._part_size = part_size
        # How far the parts have come; a new process begins again.
        self._last = FIRST
        self._parameters: Mapping[str, Any] = {
            "settled": sorted(SETTLED),
            "allowed": rows.as_json(
                {"start": start, "goal": goal} for start, goals in ALLOWED.items() for goal in goals
            ),
            "statuses": json.dumps(STATUS_OF),
            "digits": json.dumps(EXPONENTS),
            "accounts": ACCOUNTS,
            "durability": list(DURABILITY),
            "overdue": overdue_seconds,
            "carried": sorted(STEPS),
            "ahead": LOOKS_AHEAD.total_seconds(),
        }

    async def report(self) -> Report:
        """Everything, all of the same moment."""
        async with self._snapshot() as connection:
            return await self._report(connection)

    async def report_part_unless_running(self) -> Report | None:
        """The newest payments and the next of the others, or everything once they have all had
        their turn; None where another process is at it."""
        async with self._snapshot() as connection:
            if not (await connection.execute(_ONE_AT_A_TIME)).scalar_one():
                return None
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

    async def accounts(self) -> Accounts:
        """What the accounts of providers consist of."""
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
        return Report(
            findings=[
                await self._find(connection, invariant, statement, sight, bounds)
                for invariant, statement in INVARIANTS.items()
                if not (sight and invariant in WHOLE_ONLY)
            ],
            balances=await figures.read_balances(connection),
            held=await figures.read_held(connection),
            waiting=await figures.read_waiting(connection),
            set_aside=await figures.read_set_aside(connection),
            backlog=await figures.read_backlog(connection),
            overdue=await count_overdue(connection, expected_times({})),
        )

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
        row = (await connection.execute(counted, {**needed, **bounds})).one()
        return Finding(
            invariant=invariant,
            violations=row.violations,
            examples=tuple(row.examples or ()),
        )
