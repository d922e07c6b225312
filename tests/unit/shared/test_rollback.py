"""Work that was undone as a whole is tried again; work that may have happened is not."""

import pytest

from services.shared.errors import Unavailable
from services.shared.rollback import TRIES, TransactionRolledBack, repeated


class Transaction:
    """Fails in the given ways, and then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls: list[tuple[str, int]] = []

    @repeated
    async def run(self, word: str, *, number: int) -> str:
        self.calls.append((word, number))
        if self.failures:
            raise self.failures.pop(0)
        return f"{word} {number}"


async def test_undone_transaction_is_tried_again_with_the_same_arguments() -> None:
    transaction = Transaction(TransactionRolledBack(), TransactionRolledBack())

    assert await transaction.run("payment", number=7) == "payment 7"
    assert transaction.calls == [("payment", 7)] * 3


async def test_transaction_that_is_undone_each_time_fails_after_the_last_try() -> None:
    transaction = Transaction(*[TransactionRolledBack()] * TRIES)

    with pytest.raises(TransactionRolledBack):
        await transaction.run("payment", number=7)
    assert len(transaction.calls) == TRIES


@pytest.mark.parametrize("error", [Unavailable(), KeyError()])
async def test_transaction_that_may_have_happened_is_not_tried_again(error: Exception) -> None:
    transaction = Transaction(error)

    with pytest.raises(type(error)):
        await transaction.run("payment", number=7)
    assert len(transaction.calls) == 1
