"""Rows that this code cannot read: counted and logged wherever they are met, while the rows beside
them are served. Of the error its class and place are kept, for its words may quote a person."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import Row

from services.payments.domain.payment import Payment, PaymentUnreadable
from services.payments.failures import describe
from services.payments.store import rows
from services.shared.ids import encode_id
from services.shared.log import get_logger

UNREADABLE = Counter(
    "caravel_unreadable_rows_total", "Rows met that could not be read, by their table.", ["table"]
)

# Raised by the driver for a value that it cannot read, for example a year that Python has not.
UNDECODABLE = (ValueError, ArithmeticError)

Noun = TypeVar("Noun")
Readings = tuple[list[tuple[Row[Any], Noun]], list[tuple[Row[Any], str]]]


def read_each(found: Sequence[Row[Any]], read: Callable[[Row[Any]], Noun]) -> Readings[Noun]:
    """Each row with what it reads as; and, apart, each that cannot be read, with the error."""
    readable, unreadable = [], []
    for row in found:
        try:
            readable.append((row, read(row)))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are not
            unreadable.append((row, describe(error)))
    return readable, unreadable


def report_unreadable(table: str, payment_id: UUID | None, error: str) -> None:
    """Counts a row that cannot be read, and says of which payment it is."""
    UNREADABLE.labels(table).inc()
    transaction_id = encode_id("pay", payment_id) if payment_id else ""
    get_logger().warning("row_unreadable", table=table, transaction_id=transaction_id, reason=error)


def read_payment(row: Row[Any]) -> Payment:
    """The payment. Raises PaymentUnreadable."""
    readable, unreadable = read_each([row], rows.read_payment)
    for _, error in unreadable:
        report_unreadable("payments", row.id, error)
        raise PaymentUnreadable(transaction_id=encode_id("pay", row.id))
    return readable[0][1]
