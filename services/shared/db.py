"""The one way to reach PostgreSQL: an async engine with bounded waits, the naming of constraints,
and the refusal to run on a server that may forget what it acknowledged."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import orjson
from prometheus_client import Gauge
from sqlalchemy import MetaData, TextClause, event, text
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.shared.db_errors import FailureKind, as_ours, failure_of
from services.shared.env import is_loopback
from services.shared.errors import CannotStart
from services.shared.log import get_logger

NAMES = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}
# Each of these off means that a crash can lose a payment whose payout has been sent.
DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
# Our statements take rows by key: sets of them, as JSON, of whose size a planner can know nothing.
# So each is planned once a session, and as if tables were large, which they become.
BY_KEY = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    # The rows in work are in memory, and a read of an index costs as much as any other read.
    "random_page_cost": "0.1",
}
# Gives the database's postgresql:// URL as it is now: its password may be rotated.
Address = Callable[[], str]
# Of an address that is_unverified, where money is real.
NEEDS_PROOF = (
    "must have sslmode=verify-full and sslrootcert where the database is not on this machine"
)
# All else of an address, which may name several servers, is read by the driver at each connection.
DRIVER = "postgresql+asyncpg://"
# A server that was the primary takes no writes any more; another one does.
DEMOTED = "25006"
# How long one statement may take.
STATEMENT_SECONDS = 10


POOL_CONNECTIONS_MAX = Gauge(
    "caravel_database_pool_connections_max", "Most connections that a pool opens.", ["pool"]
)
POOL_CONNECTIONS_USED = Gauge(
    "caravel_database_pool_connections_used", "Connections at work now.", ["pool"]
)
POOL_WAITING = Gauge(
    "caravel_database_pool_waiting", "How many wait for a connection of the pool.", ["pool"]
)


@cache
def _waiting(pool: str) -> Gauge:
    """The series of one pool; to find it again for each connection would cost more than to
    count."""
    return POOL_WAITING.labels(pool)


class UnsafeDatabase(CannotStart):
    """The PostgreSQL server is set up so that a crash may lose acknowledged payments, or our role
    there may take away the records of them."""


class PatientConnection(asyncpg.Connection):  # type: ignore[misc]
    """One that never asks the server to cancel a statement, but is left by whoever gives up.

    A cancelled COMMIT that waits for its synchronous standby ends as if the standby had it: all
    can read its rows from then on, and answer with them, and a loss of the primary takes them back.
    """

    __slots__ = ()

    def _cancel_current_command(self, *_: object) -> None:
        # Once the driver is done with whoever gives up. It has no public way to choose this.
        self._loop.call_soon(self.terminate)


def new_metadata() -> MetaData:
    """Table metadata whose constraints have predictable names."""
    return MetaData(naming_convention=NAMES)


def open_engine(
    url: Address | str,
    *,
    pool_size: int,
    application: str,
    statement_seconds: int = STATEMENT_SECONDS,
    reads_all: bool = False,
) -> AsyncEngine:
    """An engine for a postgresql:// URL. Opens nothing yet; every wait is bounded. Each connection
    is opened by the address as it is then, and those before it go on.

    Statements are planned for rows by key, unless reads_all says that they read whole tables.
    """
    address = url if callable(url) else lambda: url
    settings: Mapping[str, str] = {
        "application_name": application,
        "statement_timeout": f"{statement_seconds * 1000}",
        "idle_in_transaction_session_timeout": "10000",
        # A statement that was left ends, but for a COMMIT that waits.
        "client_connection_check_interval": "1000",
        "jit": "off",
        **({} if reads_all else BY_KEY),
    }
    engine = create_async_engine(
        DRIVER,
        pool_size=pool_size,
        pool_logging_name=application,
        max_overflow=0,
        pool_timeout=5,
        # The fewer sessions are used, the fewer have to learn our statements and remember them.
        pool_use_lifo=True,
        # An error's text ends up in a log, and parameters are people's names and accounts.
        hide_parameters=True,
        json_deserializer=orjson.loads,
        connect_args={
            "server_settings": dict(settings),
            "timeout": 5,
            "connection_class": PatientConnection,
            # The server is the first to give up.
            "command_timeout": statement_seconds + 5,
        },
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    follow_address(engine, address)
    pool: Any = engine.pool
    POOL_CONNECTIONS_MAX.labels(application).set(pool_size)
    POOL_CONNECTIONS_USED.labels(application).set_function(pool.checkedout)
    _waiting(application)
    return engine


def follow_address(engine: AsyncEngine, address: Address) -> None:
    """Opens each connection of the engine by the address as it is then. PostgreSQL's own options of
    an address, such as sslmode and sslrootcert, count as the driver reads them."""

    def connect(_: object, __: object, ___: object, parameters: dict[str, Any]) -> None:
        for part in ("host", "port", "user", "password", "database"):
            parameters.pop(part, None)
        parameters["dsn"] = address().replace("+asyncpg://", "://", 1)

    event.listen(engine.sync_engine, "do_connect", connect)


def _replace_closed(connection: Any, _: object, __: object) -> None:
    """The driver notices at once when the server closes a connection, so no ping is needed.

    The pool then opens another in its place.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def autocommitted(engine: AsyncEngine) -> AsyncEngine:
    """The same engine, where each statement is a transaction of its own: one round trip."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def cannot_be_reached(error: Exception) -> str:
    """A sentence about a connection that could not be made, without the lines that SQLAlchemy
    adds."""
    reason: object = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(reason, FileNotFoundError | PermissionError):
        # The driver does not say which one.
        reason = f"{reason.strerror}: a file that its address names, such as sslrootcert"
    return f"the database cannot be reached: {reason}"


async def refuse_unsafe_durability(engine: AsyncEngine) -> None:
    """Raises UnsafeDatabase where any of DURABILITY is off, CannotStart without an answer."""
    try:
        async with engine.connect() as connection:
            values = {
                setting: (await connection.execute(text(f"SHOW {setting}"))).scalar_one()
                for setting in DURABILITY
            }
    except Exception as error:
        if failure_of(error) is None:
            raise
        raise CannotStart(cannot_be_reached(error)) from error
    for setting, value in values.items():
        if value == "off":
            raise UnsafeDatabase(
                f"PostgreSQL runs with {setting}=off: acknowledged payments could be lost"
            )


async def refuse_owner(engine: AsyncEngine) -> None:
    """Raises UnsafeDatabase for the database's owner and for a superuser, whom no trigger stops."""
    owned = (
        "SELECT pg_has_role(datdba, 'MEMBER') FROM pg_database WHERE datname = current_database()"
    )
    async with connected(engine) as connection:
        if (await connection.execute(text(owned))).scalar_one():
            raise UnsafeDatabase(
                "DATABASE_URL logs in as the database's owner or as a superuser, who can change "
                "the history of payments; give the address of caravel_app"
            )


def is_unverified(address: str) -> bool:
    """Whether it leads to another machine without proof that the database is there: then whoever
    is between can read all and answer in its place."""
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    # Several may be named, each with a port.
    places = ",".join([parts.netloc.rpartition("@")[2], *query.get("host", [])]).split(",")
    is_here = all(
        place.startswith("/") or is_loopback(urlsplit(f"//{place}").hostname or "localhost")
        for place in map(unquote, places)
    )
    return not is_here and query.get("sslmode") != ["verify-full"]


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection whose work is undone unless it is committed.

    Raises DatabaseUnavailable where the server is away, too slow, or lost the connection; after a
    lost commit nobody knows whether it happened, and whoever needs to know reads it again by key.
    Raises DatabaseRolledBack where all of it may be tried again (`repeated`), and DatabaseMistake.
    """
    waiting = _waiting(engine.pool.logging_name or "")
    waiting.inc()
    is_waiting = True
    try:
        async with engine.connect() as connection:
            waiting.dec()
            is_waiting = False
            try:
                yield connection
            except Exception as error:
                if (failure := failure_of(error)) and failure.sqlstate == DEMOTED:
                    await connection.invalidate()
                raise
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        if failure.kind is FailureKind.UNAVAILABLE:
            # The class and the SQLSTATE, never the words: they quote rows.
            get_logger().warning("database_unavailable", cause=str(failure))
        raise as_ours(failure).with_traceback(error.__traceback__) from None
    finally:
        if is_waiting:
            waiting.dec()


class HotStatement:
    """A statement that goes straight to the driver: SQLAlchemy takes 0.2 ms for each, which counts
    where a batch has one payment. Of what it gives back, values are found by their names."""

    def __init__(self, statement: TextClause) -> None:
        compiled = statement.compile(dialect=dialect.dialect())  # type: ignore[no-untyped-call]
        self._words = str(statement)
        self._text = str(compiled)
        self._names = tuple(compiled.positiontup or ())

    def __str__(self) -> str:
        """The statement as it was given."""
        return self._words

    async def fetch(
        self, connection: AsyncConnection, parameters: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        """All rows; in the transaction that the connection is in, if any."""
        driver = await _driver_of(connection)
        rows: Sequence[Mapping[str, Any]] = await driver.fetch(
            self._text, *(parameters[name] for name in self._names)
        )
        return rows


@asynccontextmanager
async def transaction(connection: AsyncConnection) -> AsyncIterator[None]:
    """One transaction on an autocommitted connection, by the driver; committed at the end."""
    driver = await _driver_of(connection)
    try:
        async with driver.transaction():
            yield
    finally:
        if driver.is_in_transaction():
            # Its end was broken off, so that nobody else may have this connection.
            driver.terminate()


async def _driver_of(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection
