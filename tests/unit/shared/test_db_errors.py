"""Every error of the database and its driver has a meaning, and none of its own words is kept."""

import asyncio
import inspect

import asyncpg
import pytest
import sqlalchemy.exc
from asyncpg import exceptions
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from services.shared.db_errors import (
    MISTAKES,
    UNAVAILABLE,
    DatabaseFailure,
    DatabaseMistake,
    DatabaseRolledBack,
    DatabaseUnavailable,
    FailureKind,
    as_ours,
    failure_of,
)
from services.shared.errors import NotFound, Unavailable
from services.shared.rollback import TransactionRolledBack

ERRORS = [
    found
    for _, found in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(found, Exception) and not issubclass(found, Warning)
]
# Those without a SQLSTATE of their own.
BY_CLASS = {
    asyncpg.PostgresError: FailureKind.UNAVAILABLE,
    exceptions.FatalPostgresError: FailureKind.UNAVAILABLE,
    exceptions.UnknownPostgresError: FailureKind.UNAVAILABLE,
    asyncpg.InterfaceError: FailureKind.UNAVAILABLE,
    asyncpg.InternalClientError: FailureKind.UNAVAILABLE,
    exceptions.ClientConfigurationError: FailureKind.UNAVAILABLE,
    exceptions.OutdatedSchemaCacheError: FailureKind.UNAVAILABLE,
    exceptions.ProtocolError: FailureKind.UNAVAILABLE,
    exceptions.TargetServerAttributeNotMatched: FailureKind.UNAVAILABLE,
    exceptions.UnsupportedServerFeatureError: FailureKind.UNAVAILABLE,
    exceptions.UnsupportedClientFeatureError: FailureKind.MISTAKE,
}


def expected(error: type[Exception]) -> FailureKind:
    if error is exceptions.InvalidCachedStatementError:
        return FailureKind.ROLLED_BACK
    if error.__name__ in (
        "DeadlockDetectedError",
        "SerializationError",
        "TransactionRollbackError",
    ):
        return FailureKind.ROLLED_BACK
    state = getattr(error, "sqlstate", None)
    if state is None:
        return BY_CLASS[error]
    assert (state[:2] in MISTAKES) != (state[:2] in UNAVAILABLE), f"class {state[:2]} is in neither"
    return FailureKind.MISTAKE if state[:2] in MISTAKES else FailureKind.UNAVAILABLE


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_each_of_the_drivers_errors_has_its_kind(error: type[Exception]) -> None:
    failure = failure_of(error("Failing row contains (Ada Lovelace)"))

    assert failure is not None
    assert failure.kind is expected(error)
    assert failure.error == error.__name__
    assert failure.sqlstate == (getattr(error, "sqlstate", None) or "")
    assert "Ada" not in str(failure)


def test_a_statement_without_its_values_is_a_mistake() -> None:
    failure = failure_of(sqlalchemy.exc.StatementError("words", "SELECT :a", {}, KeyError("a")))

    assert failure == DatabaseFailure(kind=FailureKind.MISTAKE, error="StatementError")


@pytest.mark.parametrize(
    "error",
    [
        OSError(),
        ConnectionResetError(),
        TimeoutError(),
        EOFError(),
        asyncio.IncompleteReadError(b"", 1),
        sqlalchemy.exc.TimeoutError(),
        sqlalchemy.exc.DisconnectionError(),
        sqlalchemy.exc.PendingRollbackError(),
        sqlalchemy.exc.ResourceClosedError(),
        sqlalchemy.exc.InvalidRequestError("This connection is closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_connection_and_a_pool_that_gives_up_are_unavailable(error: Exception) -> None:
    failure = failure_of(error)

    assert failure is not None
    assert failure.kind is FailureKind.UNAVAILABLE


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_error_that_sqlalchemy_wraps_keeps_its_meaning(error: type[Exception]) -> None:
    bare = error("words")
    dbapi = dialect.AsyncAdapt_asyncpg_dbapi.Error("words", bare)  # type: ignore[no-untyped-call]
    dbapi.__cause__ = bare
    wrapped = sqlalchemy.exc.DBAPIError("SELECT 1", {}, dbapi)

    assert failure_of(wrapped) == failure_of(bare)


@pytest.mark.parametrize(
    "error",
    [
        NotFound(),
        Unavailable(),
        KeyError("Ada"),
        ValueError(),
        RuntimeError(),
        sqlalchemy.exc.NoResultFound(),
        sqlalchemy.exc.MultipleResultsFound(),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_from_elsewhere_is_not_a_database_failure(error: BaseException) -> None:
    assert failure_of(error) is None


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        (FailureKind.MISTAKE, DatabaseMistake),
        (FailureKind.ROLLED_BACK, DatabaseRolledBack),
        (FailureKind.UNAVAILABLE, DatabaseUnavailable),
    ],
)
def test_each_kind_is_raised_as_an_exception_of_its_own(
    kind: FailureKind, ours: type[Exception]
) -> None:
    failure = DatabaseFailure(kind=kind, error="SomeError", sqlstate="12345", constraint="some_key")
    raised = as_ours(failure)

    assert type(raised) is ours
    assert raised.failure is failure
    assert isinstance(raised, Unavailable) is (kind is not FailureKind.MISTAKE)
    assert isinstance(raised, TransactionRolledBack) is (kind is FailureKind.ROLLED_BACK)
    assert str(failure) == "SomeError SQLSTATE 12345 some_key"
