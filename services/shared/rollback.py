"""A transaction that was undone as a whole may be tried again at once, by whoever has all of it."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from services.shared.errors import Unavailable

# Each session notices by itself that the schema has changed, so that a repetition may meet another
# that has not.
TRIES = 4

Given = ParamSpec("Given")
Result = TypeVar("Result")


class TransactionRolledBack(Unavailable):
    """The transaction was undone as a whole and may be tried again."""


def repeated(
    transact: Callable[Given, Coroutine[Any, Any, Result]],
) -> Callable[Given, Coroutine[Any, Any, Result]]:
    """Tries again what is one whole transaction, or only reads, where it was undone."""

    @wraps(transact)
    async def whole(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        for _ in range(TRIES - 1):
            try:
                return await transact(*args, **kwargs)
            except TransactionRolledBack:
                continue
        return await transact(*args, **kwargs)

    return whole
