"""The application's role may do what its statements do, column by column, and nothing else: one
that is added is not its to change until a migration says so."""

import importlib
import pkgutil
import re
from collections import defaultdict

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services import payments
from services.payments.base import tables
from services.payments.orders.store.payments import PostgresPayments
from tests.conftest import TEMPLATE
from tests.makers import make_new_payment
from tests.poison import rows, run

ROLE = "caravel_app"
# The columns with a mark, by their tables.
CHANGED = {
    name: changed
    for name, table in tables.metadata.tables.items()
    if (changed := {column.name for column in table.columns if column.info})
}
# Their statements are built in code and have no text; the wire tests of merchants run each.
BUILT = {"api_keys", "merchants", "operator_keys"}
ADDED = BUILT | {
    *(
        "adjustments",
        "attempts",
        "balances",
        "corridor_versions",
        "disputes",
        "event_lists",
        "idempotency_keys",
        "operator_actions",
        "outbox",
        "payment_events",
    ),
    *("pauses", "payments", "postings", "proposals", "quotes", "rate_overrides", "refunds"),
    *("recoveries", "recovered_payments"),
    *("unreadable_rows", "webhook_endpoints"),
    "webhook_inbox",
}
_UPDATE = re.compile(
    r"UPDATE (\w+)(?: (?!SET)\w+)?\s+SET (.*?)"
    r"(?=(?<!DISTINCT )\bFROM\s+[\w(]|\bWHERE\b|\bRETURNING\b|\Z)",
    re.DOTALL,
)
_UPSERT = re.compile(
    r"INSERT INTO (\w+)(?:(?!INSERT INTO).)*?DO UPDATE\s+SET (.*?)(?=\n\s*\)|\Z)", re.DOTALL
)
_COLUMN = re.compile(r"(?:\A|,|\n)\s*(\w+) = ")


def changed_by_statements() -> dict[str, set[str]]:
    """Every column that a statement of ours changes, by its table."""
    changed: dict[str, set[str]] = defaultdict(set)
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(payments.__path__, f"{payments.__name__}.")
        if ".migrations" not in found.name
    ]
    statements = [s for m in modules for s in vars(m).values() if isinstance(s, TextClause)]
    for statement in map(str, statements):
        for pattern in (_UPDATE, _UPSERT):
            for table, assignments in pattern.findall(statement):
                changed[table].update(_COLUMN.findall(assignments))
    return changed


def test_the_grants_allow_only_the_changes_that_statements_make() -> None:
    written = {name: columns for name, columns in CHANGED.items() if name not in BUILT}

    assert changed_by_statements() == written


async def test_every_column_is_the_applications_to_change_or_not_as_its_table_says(
    engine: AsyncEngine,
) -> None:
    found = await rows(
        engine,
        """
        SELECT c.relname, a.attname, has_column_privilege(:role, c.oid, a.attnum, 'UPDATE')
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND a.attnum > 0 AND NOT a.attisdropped
        """,
        role=ROLE,
    )

    assert {table for table, _, _ in found} == {*tables.metadata.tables, "alembic_version"}
    for table, column, may_change in found:
        assert may_change == (column in CHANGED.get(table, ())), f"{table}.{column}"


async def test_each_table_is_read_and_added_to_and_nothing_more(engine: AsyncEngine) -> None:
    for table in (*tables.metadata.tables, "alembic_version"):
        ((held,),) = await rows(
            engine,
            """
            SELECT array_agg(p ORDER BY p) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE',
                   'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p
             WHERE has_table_privilege(:role, :name, p)
            """,
            role=ROLE,
            name=table,
        )
        assert held == (["INSERT", "SELECT"] if table in ADDED else ["SELECT"]), table


async def attempt(engine: AsyncEngine, statement: str) -> None:
    """Runs a statement as the application."""
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def test_a_column_that_is_added_is_not_the_applications_to_change(
    engine: AsyncEngine,
) -> None:
    await run(engine, *(f"ALTER TABLE {name} ADD COLUMN added text" for name in CHANGED))

    for name in CHANGED:
        with pytest.raises(DBAPIError, match="permission denied"):
            await attempt(engine, f"UPDATE {name} SET added = 'x'")


async def test_nobody_but_the_owner_makes_tables_of_any_kind(engine: AsyncEngine) -> None:
    # A copy of a database does not have the grants on it, so the first one is asked.
    assert await rows(
        engine,
        """
        SELECT has_schema_privilege(:role, 'public', 'CREATE'),
               has_database_privilege(:role, :name, 'CREATE'),
               has_database_privilege(:role, :name, 'TEMPORARY')
        """,
        role=ROLE,
        name=TEMPLATE,
    ) == [(False, False, False)]


async def test_the_role_is_no_more_than_a_role(engine: AsyncEngine) -> None:
    assert await rows(
        engine,
        """
        SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
               EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid)
          FROM pg_roles r WHERE rolname = :role
        """,
        role=ROLE,
    ) == [(False,) * 6]


@pytest.mark.parametrize(
    ("state", "stands"),
    [("FUNDED", False), ("CONVERTED", True), ("PAYING_OUT", True), ("COMPLETED", True)],
)
@pytest.mark.parametrize(
    ("column", "changed"),
    [
        ("payout_minor", "payout_minor + 1"),
        ("rate", "rate + 1"),
        ("mid_rate", "mid_rate + 1"),
        ("replaced_mid_rate", "1"),
        ("markup_basis_points", "markup_basis_points + 1"),
        ("fixed_side", "'destination'"),
    ],
)
async def test_the_terms_of_a_payment_stand_once_it_is_exchanged(
    engine: AsyncEngine, state: str, column: str, changed: str, stands: bool
) -> None:
    await PostgresPayments(engine).create([make_new_payment()])
    await attempt(engine, f"UPDATE payments SET state = '{state}'")
    change = f"UPDATE payments SET {column} = {changed}"

    if stands:
        with pytest.raises(DBAPIError, match="the terms of a payment stand"):
            await attempt(engine, change)
        await attempt(engine, f"UPDATE payments SET {column} = {column}, version = version + 1")
    else:
        await attempt(engine, change)


async def test_an_answer_under_a_key_cannot_be_changed(engine: AsyncEngine) -> None:
    await PostgresPayments(engine).create([make_new_payment()])

    for change in (
        "idempotency_keys SET response = ''",
        "payments SET amount_minor = 1",
        "payments SET destination_currency = 'USD'",
        "webhook_endpoints SET url = 'https://evil.example'",
        "outbox SET body = ''",
        "attempts SET amount_minor = 1",
        "webhook_inbox SET answer = '{}'",
        "quotes SET terms = '{}'",
        "merchants SET display_name = 'x'",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            await attempt(engine, f"UPDATE {change}")


async def test_an_attempt_keeps_the_recipient_that_it_was_sent_with(engine: AsyncEngine) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    await attempt(
        engine,
        "INSERT INTO attempts (merchant_id, payment_id, step, number, provider, key, amount_minor, "
        "currency, state, provider_reference, inconclusive_count) "
        "SELECT merchant_id, id, 'payout', 1, offramp, 'k-1', payout_minor, destination_currency, "
        "'FAILED', '', 0 FROM payments",
    )
    change = "UPDATE attempts SET recipient = '{}'"

    await attempt(engine, change.replace("{}", '{"account": "1"}'))

    with pytest.raises(DBAPIError, match="an attempt keeps the recipient"):
        await attempt(engine, change)
