"""Any value in any column of any table, as far as its type allows it: every list of operators and
merchants comes, shows the readable rows and names the others, and the audit ends with a report.
One value in each column here; with `--long` all."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, endpoints_pb2, payments_pb2
from sqlalchemy import Column, Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.audit.verify import render
from services.payments.base import tables
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_out.convert import encode_event
from tests.conftest import owner_of
from tests.makers import make_new_payment
from tests.poison import UNGUARDED, run
from tests.wire.payments.conftest import Service

TIMES = ("'20000-01-01'", "'0044-03-15 BC'", "'infinity'", "'-infinity'")
WHOLE = ("-1", "0")
BY_TYPE = {
    "DateTime": TIMES,
    "JSONB": ("'{}'", "'[7]'", "'7'", "'null'", "'\"x\"'", f"'{{\"amount_minor\": {'9' * 5000}}}'"),
    "Text": ("''", "'NONSENSE'", "E'\\x01\\n\"'"),
    "BigInteger": (*WHOLE, "9223372036854775807", "-9223372036854775808"),
    "Integer": (*WHOLE, "2147483647", "-2147483648"),
    "SmallInteger": (*WHOLE, "32767", "-32768"),
    "Numeric": ("'NaN'", "'Infinity'", "'-Infinity'", "-1", "0", "1e100"),
    "LargeBinary": ("''", "'\\xff'"),
    "Boolean": ("true",),
    "Uuid": ("gen_random_uuid()",),
}
# With these a row says that it belongs on another list, or on none.
DECIDES = {
    *("state", "hold_reason", "due_at", "deadline_at", "waiting_since", "created_at"),
    *("merchant_id", "disabled_reason", "from_state", "occurred_at"),
}
JOINED = (
    *(tables.payments, tables.payment_events, tables.attempts, tables.quotes),
    *(tables.webhook_inbox, tables.outbox, tables.webhook_endpoints, tables.operator_actions),
    *(tables.postings, tables.balances, tables.idempotency_keys, tables.unreadable_rows),
)
PLANTED = (
    """
    UPDATE payments SET hold_reason = 'step_failed', due_at = NULL,
           waiting_since = now() - interval '2 days', deadline_at = now() - interval '1 day'
     WHERE id IN (:first, :second)
    """,
    "UPDATE payments SET created_at = now() - interval '1 day' WHERE id IN (:third, :fourth)",
    "UPDATE payment_events SET occurred_at = now() - interval '1 day'",
    """
    INSERT INTO attempts (merchant_id, payment_id, step, number, provider, key, amount_minor,
           currency, state, provider_reference, inconclusive_count)
    SELECT merchant_id, id, 'collection', 1, onramp, id::text, amount_minor, 'USD', 'SENT', '', 0
      FROM payments
    """,
    "UPDATE payments SET state = 'COLLECTING' WHERE id IN (:third, :fourth)",
    """
    INSERT INTO webhook_inbox (provider, event_id, merchant_id, payment_id, event_type, step,
           answer, body, state)
    SELECT 'stripe', s.state || p.id, p.merchant_id, p.id, 'paid', 'collection',
           '{"outcome"\\: "SUCCEEDED", "currency"\\: "USD", "amount_minor"\\: 1}', '', s.state
      FROM payments p, (VALUES ('SET_ASIDE'), ('UNMATCHED')) AS s(state)
     WHERE p.id IN (:first, :second)
    """,
    """
    INSERT INTO webhook_endpoints (merchant_id, id, url, secret)
    SELECT merchant_id, id, 'https://example.com', 'whsec_' FROM payments
    """,
    """
    INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body, state)
    SELECT merchant_id, id, 1, id, 'payment.created', '{}', 'SET_ASIDE' FROM payments
    """,
    """
    INSERT INTO operator_actions (merchant_id, id, operator, action, subject, note)
    SELECT merchant_id, id, 'ada', 'RELEASE_HOLD', 'x', '' FROM payments
    """,
    """
    INSERT INTO postings (merchant_id, payment_id, sequence, position, debit, credit, currency,
           amount_minor, cause)
    SELECT merchant_id, id, 1, 0, 'suspense:stripe:USD', 'payments:USD', 'USD', 7, 'x'
      FROM payments
    """,
    """
    INSERT INTO balances (merchant_id, account, currency, balance_minor)
    SELECT merchant_id, 'onramp:x:USD', 'USD', 0 FROM payments ORDER BY id LIMIT 1
    """,
    """
    INSERT INTO unreadable_rows (table_name, row_key, merchant_id, payment_id, column_name, error)
    SELECT 'quotes', json_build_array(merchant_id, quote_id)::text, merchant_id, id, 'terms', 'x'
      FROM payments
    """,
)


async def plant(engine: AsyncEngine) -> None:
    """Four payments, two on hold and two overdue, with rows in every table."""
    new = [make_new_payment() for _ in range(4)]
    await PostgresPayments(engine, encode_event).create(new)
    ids = [item.payment.id for item in new]
    named = dict(zip(("first", "second", "third", "fourth"), ids, strict=True))
    await run(engine, UNGUARDED)
    for statement in PLANTED:
        used = {name: value for name, value in named.items() if f":{name}" in statement}
        await run(engine, statement, **used)


async def lists(service: Service) -> dict[str, set[str]]:
    """The ids that each list shows or names."""
    late = await service.admin.ListOverduePayments(admin_pb2.ListOverduePaymentsRequest())
    letters = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())
    acted = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    sent = await service.endpoints.ListEndpoints(endpoints_pb2.ListEndpointsRequest())
    page = await service.payments.ListPayments(payments_pb2.ListPaymentsRequest())
    shown = {
        "overdue": {p.transaction_id for p in late.payments} | {*late.unreadable_transaction_ids},
        "actions": {a.action_id for a in acted.actions} | {*acted.unreadable_action_ids},
        "endpoints": {e.endpoint_id for e in sent.endpoints} | {*sent.unreadable_endpoint_ids},
        "payments": {p.transaction_id for p in page.payments} | {*page.unreadable_transaction_ids},
    }
    for kind in ("STEP", "INBOX", "OUTBOX", "ORPHAN", "UNREADABLE"):
        number = admin_pb2.DeadLetter.Kind.Value(kind)
        shown[kind] = {one.dead_letter_id for one in letters.dead_letters if one.kind == number}
    return shown


def damages(table: Table, *, all_values: bool) -> Iterator[tuple[Column[Any], str]]:
    """Each column with each value of its type, or with one, another one in the next column."""
    for number, column in enumerate(table.columns):
        if not column.primary_key and column.computed is None:
            values = BY_TYPE[type(column.type).__name__]
            for value in values if all_values else [values[number % len(values)]]:
                yield column, value


@asynccontextmanager
async def damaged(owner: AsyncEngine, table: Table, column: str, value: str) -> AsyncIterator[None]:
    """The first row of the table says that, and then again what it said."""
    key = ", ".join(name.name for name in table.primary_key)
    first = f"({key}) = (SELECT {key} FROM {table.name} ORDER BY {key} LIMIT 1)"
    same = " AND ".join(f"t.{name.name} = k.{name.name}" for name in table.primary_key)

    async def execute(*statements: str) -> None:
        async with owner.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement.replace(":", "\\:")))

    await execute(
        "DROP TABLE IF EXISTS kept",
        f"CREATE TABLE kept AS SELECT {key}, {column} FROM {table.name} WHERE {first}",
        f"UPDATE {table.name} SET {column} = {value} WHERE {first}",
    )
    yield
    await execute(f"UPDATE {table.name} t SET {column} = k.{column} FROM kept k WHERE {same}")


@pytest.mark.parametrize("table", JOINED, ids=[table.name for table in JOINED])
async def test_every_list_comes_and_names_every_row_whatever_stands_in_a_column(
    service: Service, engine: AsyncEngine, table: Table, is_long: bool
) -> None:
    await plant(engine)
    owner = owner_of(engine)
    whole = await lists(service)
    audit = PostgresAudit(engine, overdue_seconds=60)
    assert all(whole.values())

    audited = set[str]()
    for column, value in damages(table, all_values=is_long):
        async with damaged(owner, table, column.name, value):
            said = f"{table.name}.{column.name} = {value[:40]}"
            seen = await lists(service)
            for name, rows_of in whole.items():
                missing = rows_of - seen[name]
                assert len(missing) <= (column.name in DECIDES), (said, name, missing)
            if column.name not in audited:
                audited.add(column.name)
                assert render(await audit.report(), await audit.accounts()), said
    await owner.dispose()
