"""Runs the migrations over asyncpg, under a lock so that two starts at once are safe; in one
transaction, but for indexes that are made beside the work. The address comes from
MIGRATION_DATABASE_URL, else DATABASE_URL; either may be …_FILE."""

import asyncio
import os
import time

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.payments.base.tables import metadata
from services.shared.db import (
    DRIVER,
    NEEDS_PROOF,
    cannot_be_reached,
    follow_address,
    is_unverified,
)
from services.shared.db_errors import failure_of
from services.shared.env import SettingsError, value_of
from services.shared.well_known import is_well_known

# Any number will do, as long as nobody else locks it.
MIGRATION_LOCK = 7_266_728_035
LOCK_RETRY_SECONDS = 0.2


def _migrate(connection: Connection) -> str:
    context.configure(
        connection=connection, target_metadata=metadata, transaction_per_migration=False
    )
    _lock(connection)
    with context.begin_transaction():
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.run_migrations()
        return context.get_context().get_current_revision() or "none"


def _lock(connection: Connection) -> None:
    """Until this session ends. Nobody waits for it within a statement: an index that is made beside
    the work waits for every statement that began before."""
    while not connection.execute(text(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})")).scalar():
        connection.rollback()
        time.sleep(LOCK_RETRY_SECONDS)
    connection.commit()


def _address() -> str:
    for name in ("MIGRATION_DATABASE_URL", "DATABASE_URL"):
        try:
            if url := value_of(name, os.environ):
                return url
        except SettingsError as problem:
            raise SystemExit(str(problem)) from None
    raise SystemExit("set MIGRATION_DATABASE_URL or DATABASE_URL to migrate")


def _refuse_well_known(address: str) -> None:
    if os.environ.get("DEPLOYMENT") != "sandbox" and is_well_known(address):
        raise SystemExit(
            "the password of the database's owner is the one of the sandbox in docker-compose.yml, "
            "which anybody can read; make another, or set DEPLOYMENT=sandbox"
        )


def _refuse_unverified(address: str) -> None:
    if os.environ.get("DEPLOYMENT") == "live" and is_unverified(address):
        raise SystemExit(f"MIGRATION_DATABASE_URL {NEEDS_PROOF}")


async def _main() -> None:
    address = _address()
    _refuse_well_known(address)
    _refuse_unverified(address)
    engine = create_async_engine(DRIVER, poolclass=NullPool)
    follow_address(engine, lambda: address)
    try:
        connection = await engine.connect()
    except Exception as error:
        if failure_of(error) is None:
            raise
        raise SystemExit(cannot_be_reached(error)) from None
    try:
        revision = await connection.run_sync(_migrate)
        await connection.commit()
        # Else the last line of a container that has waited for its database is a refusal.
        context.config.print_stdout(f"The database is at revision {revision}.")
    except CommandError as error:
        raise SystemExit(
            f"the database is not at a revision that leads there ({error}); "
            "a newer version of Caravel may have migrated it"
        ) from None
    except Exception as error:
        if failure_of(error) is None:
            raise
        # The details below its first line are rows.
        reason = str(getattr(error, "orig", error)).splitlines()[0].rpartition(">: ")[2]
        raise SystemExit(f"the migration failed and has changed nothing: {reason}") from None
    finally:
        await connection.close()
        await engine.dispose()


asyncio.run(_main())
