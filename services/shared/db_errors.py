"""The meaning of every error that can come from the database or its driver, in one table. Of an
error itself only its class, SQLSTATE and constraint are kept: its words quote statements and rows,
and so people's names and accounts."""

import asyncio
import traceback
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import asyncpg
from sqlalchemy import exc

from services.shared.errors import DomainError, Unavailable
from services.shared.rollback import TransactionRolledBack


class FailureKind(StrEnum):
    """Whether the same may be tried again."""

    # The statement or its data are wrong, and stay so however often they are sent.
    MISTAKE = "mistake"
    # The server has undone all of the transaction, which may be tried again at once.
    ROLLED_BACK = "rolled_back"
    # The server is away, too slow, out of room, or lost. Of a COMMIT that was under way nobody
    # knows whether it has happened.
    UNAVAILABLE = "unavailable"


# By the class of the SQLSTATE, its first two characters, and by the whole code where that differs.
# A code that PostgreSQL may add one day is UNAVAILABLE: the answer is 503, and the code is logged.
MISTAKES = frozenset(
    {"01", "02", "03", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23"}
    | {"24", "27", "2B", "2D", "2F", "34", "38", "39", "3B", "3F", "42", "44", "54", "HV", "P0"}
)
UNAVAILABLE = frozenset(
    {"08", "25", "26", "28", "3D", "40", "53", "55", "57", "58", "72", "F0", "XX"}
)
ROLLED_BACK_CODES = frozenset({"40000", "40001", "40P01"})
# Without a SQLSTATE, because the server never saw the request.
_CLIENT_MISTAKES = (asyncpg.UnsupportedClientFeatureError, exc.StatementError)
_CLIENT_FAILURES = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
    OSError,
    EOFError,
    exc.StatementError,
    exc.DisconnectionError,
    exc.TimeoutError,
    exc.PendingRollbackError,
    exc.ResourceClosedError,
)
# As it stands where the pool gives up; what is derived from it speaks of our own code.
_PLAIN_FAILURES = (exc.InvalidRequestError,)
# Raised by the driver and its transport where a session goes away under their hands; whatever else
# they raise is about a value that they cannot read.
_LOST_SESSION = (RuntimeError, AttributeError, AssertionError, asyncio.InvalidStateError)
_OURS = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True, kw_only=True)
class DatabaseFailure:
    """An error of the database without its words."""

    kind: FailureKind
    # The class of the driver's exception.
    error: str
    sqlstate: str = ""
    constraint: str = ""

    def __str__(self) -> str:
        state = f"SQLSTATE {self.sqlstate}" if self.sqlstate else ""
        return " ".join(part for part in (self.error, state, self.constraint) if part)


class DatabaseUnavailable(Unavailable):
    """The database cannot answer now; retry with the same idempotency key."""

    def __init__(self, failure: DatabaseFailure) -> None:
        super().__init__("the database cannot answer now", cause=str(failure))
        self.failure = failure


class DatabaseRolledBack(TransactionRolledBack, DatabaseUnavailable):
    """The database has undone all of it."""


class DatabaseMistake(Exception):
    """The database refused a statement of ours, or what we gave it; see `failure`."""

    def __init__(self, failure: DatabaseFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def failure_of(error: BaseException) -> DatabaseFailure | None:
    """The meaning of an error; None where it came from neither the database nor its driver."""
    cause = _original(error)
    kind = _kind(cause)
    if kind is None:
        return None
    return DatabaseFailure(
        kind=kind,
        error=type(cause).__name__,
        sqlstate=getattr(cause, "sqlstate", None) or "",
        constraint=getattr(cause, "constraint_name", None) or "",
    )


def as_ours(failure: DatabaseFailure) -> DatabaseMistake | DatabaseUnavailable:
    """The exception that stands for the failure; to be raised `from None`, for the sake of logs."""
    if failure.kind is FailureKind.MISTAKE:
        return DatabaseMistake(failure)
    if failure.kind is FailureKind.ROLLED_BACK:
        return DatabaseRolledBack(failure)
    return DatabaseUnavailable(failure)


def _original(error: BaseException) -> BaseException:
    """The driver's own exception below SQLAlchemy's two."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _kind(cause: BaseException) -> FailureKind | None:
    if isinstance(cause, DomainError | DatabaseMistake):
        return None
    if isinstance(cause, asyncpg.InvalidCachedStatementError):
        # The schema has changed since the statement was planned, and it was not carried out.
        return FailureKind.ROLLED_BACK
    if state := getattr(cause, "sqlstate", None):
        return kind_of_state(state)
    if isinstance(cause, _CLIENT_FAILURES) or type(cause) in _PLAIN_FAILURES:
        is_mistake = isinstance(cause, _CLIENT_MISTAKES)
        return FailureKind.MISTAKE if is_mistake else FailureKind.UNAVAILABLE
    if isinstance(cause, Exception) and _arose_in_driver(cause):
        is_lost = isinstance(cause, _LOST_SESSION)
        return FailureKind.UNAVAILABLE if is_lost else FailureKind.MISTAKE
    return None


def kind_of_state(sqlstate: str) -> FailureKind:
    """The meaning of a SQLSTATE."""
    if sqlstate in ROLLED_BACK_CODES:
        return FailureKind.ROLLED_BACK
    return FailureKind.MISTAKE if sqlstate[:2] in MISTAKES else FailureKind.UNAVAILABLE


def _arose_in_driver(error: BaseException) -> bool:
    """Whether asyncpg is among the frames below the last one of ours."""
    below: list[str] = []
    for frame in traceback.extract_tb(error.__traceback__):
        below = [] if frame.filename.startswith(_OURS) else [*below, frame.filename]
    return any("asyncpg/" in name for name in below)
