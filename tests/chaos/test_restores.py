"""A database is brought back older than what has happened, in each way that there is: it is noticed
below processes that run and by those that start, nothing is done from it, and after its recovery
nobody was charged, paid or refunded twice although every client repeats its requests."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.chaos.books import BookLine
from tests.chaos.restores.accounts import by_order, doubles
from tests.chaos.restores.ages import aged
from tests.chaos.restores.cells import AGES, Cell, Providers, Result, matrix
from tests.chaos.restores.drill import drilled
from tests.chaos.restores.ways import Way

# The way that PostgreSQL itself does not notice.
SHORT = Cell(way=Way.SNAPSHOT, age=AGES[-1], providers=Providers.ONE_AWAY)
NOW = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One drill, or in the long form the whole matrix."""
    if "cell" in metafunc.fixturenames:
        cells = tuple(matrix(each=2)) if metafunc.config.getoption("--long") else (SHORT,)
        metafunc.parametrize("cell", cells, ids=str)


async def test_an_older_database_is_noticed_and_pays_nobody_twice(
    tmp_path: Path, cell: Cell
) -> None:
    async with drilled(tmp_path, cell) as drill:
        result = await drill.run()

    _say(result)
    assert result.faults == []
    assert result.verify_code == 0


def _say(result: Result) -> None:
    lines = [f"{result}", *result.findings, result.report, result.verified, *result.faults]
    sys.stdout.write("\n".join(["", *lines, ""]))


def _line(effect: str, payment: str, *, number: int = 1, reference: str = "order") -> BookLine:
    return BookLine(
        provider="local_wallet" if "payout" in effect else "stripe",
        effect=effect,
        key=f"{payment}-{number}",
        id=f"{payment}-{effect.partition('_')[0]}-{number}",
        transaction_id=payment,
        reference=reference,
        amount_minor=100,
        currency="USD",
        at=NOW.isoformat(),
    )


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([_line("charge_succeeded", "pay_a"), _line("payout_completed", "pay_a")], []),
        (
            [_line("charge_succeeded", "pay_a"), _line("charge_succeeded", "pay_b")],
            ["order: charged 2 times"],
        ),
        (
            [_line("payout_completed", "pay_a"), _line("payout_accepted", "pay_a", number=2)],
            ["order: paid 2 times"],
        ),
        (
            [
                *(_line("charge_succeeded", "pay_a"), _line("payout_completed", "pay_a")),
                _line("refund_succeeded", "pay_a", reference=""),
            ],
            ["order: paid, and 100 refunded"],
        ),
        (
            [
                *(_line("charge_succeeded", "pay_a"), _line("refund_succeeded", "pay_a")),
                _line("refund_succeeded", "pay_a", number=2),
            ],
            ["order: 200 refunded of 100", "order: 100 refunded 2 times"],
        ),
    ],
)
def test_money_that_moved_twice_for_an_order_is_found_under_whatever_payment(
    lines: list[BookLine], found: list[str]
) -> None:
    said = [one.partition(", [")[0] for one in doubles(by_order(lines, {}))]

    assert said == found


def test_a_book_becomes_older_in_whatever_form_its_times_are() -> None:
    known = '{"at": "2026-11-30T09:59:58.123+00:00", "created": 1796032800, "id": 1234567890}'

    made = aged(known, timedelta(hours=1), NOW)

    assert (
        made == '{"at": "2026-11-30T08:59:58.123+00:00", "created": 1796029200, "id": 1234567890}'
    )
