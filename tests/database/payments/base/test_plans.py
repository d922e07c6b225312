"""No statement of the work looks through a whole table, or through a whole index of one: how long
it takes hangs on what is asked for, and not on how many payments there are."""

import re
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import related, unreadable_rows
from services.payments.engine.store import claimed, work, writing
from services.payments.engine.store import quarantine as failures
from services.payments.operators.store import adjustments, operations, replays
from services.payments.operators.store import dead_letters as letters
from services.payments.orders.ports import PaymentFilter
from services.payments.orders.store import pages, payments
from services.payments.recovery.store import lost, marks
from services.payments.webhooks_in.store import inbox
from services.payments.webhooks_out.store import outbox, outbox_writer
from services.shared.db import connected

# Of these there are few.
SMALL = ("webhook_endpoints", "operator_actions", "pauses", "unreadable_rows", "database_mark")
# Queues are read as a whole: in the order in which their rows are due, or to see their age. So is
# what is set aside, of all merchants.
QUEUES = ("payments_failing_idx", "outbox_pending_idx", "webhook_inbox_unmatched_idx")
QUEUES += ("outbox_set_aside_idx", "webhook_inbox_set_aside_idx", "payments_set_aside_idx")
MODULES = (
    *(claimed, failures, inbox, letters, outbox_writer, operations, outbox, payments),
    *(adjustments, related, replays, unreadable_rows, work, writing, lost, marks),
)
STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": statement
    for module in MODULES
    for name, statement in vars(module).items()
    if isinstance(statement, TextClause)
}


def _whole_scans(plan: list[str]) -> list[str]:
    """The scans of tables that no key leads."""
    return [
        line
        for line, following in zip(plan, [*plan[1:], ""], strict=True)
        if re.search(r"(Seq|Index|Index Only) Scan", line)
        and "Index Cond" not in following
        and not any(name in line for name in (*SMALL, *QUEUES))
    ]


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_a_statement_looks_only_at_what_it_is_asked_for(
    engine: AsyncEngine, name: str
) -> None:
    statement = STATEMENTS[name]
    async with connected(engine) as connection:
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None
        words = str(statement.compile(dialect=engine.dialect))
        numbers = len((await driver.prepare(words)).get_parameters())
        await driver.execute(f"PREPARE tried AS {words}")
        nothing = f"({', '.join(['NULL'] * numbers)})" if numbers else ""
        plan = list((await connection.execute(text(f"EXPLAIN EXECUTE tried{nothing}"))).scalars())

    assert _whole_scans(plan) == []


@pytest.mark.parametrize("before", [None, UUID(int=1)])
async def test_a_merchants_page_is_read_by_its_own_key_and_not_past_everybody_elses(
    engine: AsyncEngine, before: UUID | None
) -> None:
    page = pages.page_of("few", PaymentFilter(), before, 50)
    words = page.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True})
    async with connected(engine) as connection:
        plan = (await connection.execute(text(f"EXPLAIN {words}"))).scalars().all()

    assert "Index Scan Backward using payments_pkey" in plan[1]
    assert "merchant_id" in plan[2] and "Sort" not in " ".join(plan)
