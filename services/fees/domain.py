"""Fees. A payment's price is a flat part and a percentage of its amount, by the schedule
in force on the day; each part is rounded once, half up, to the currency's own digits. Pure: the
schedules themselves are data, read by shared.corridors, where their arithmetic is too, because a
file whose limits its own fees make impossible is refused there."""

from dataclasses import dataclass

from services.shared.corridors import FeeSchedule, flat_part, percentage_part
from services.shared.money import Money


@dataclass(frozen=True, kw_only=True)
class FeeQuery:
    """One payment to price, as it was asked for and not yet checked.

    on_date is ISO 8601 text, empty for today; trace_id is for the log alone.
    """

    corridor_id: str
    amount_minor: int
    currency: str
    on_date: str = ""
    trace_id: str = ""


@dataclass(frozen=True)
class FeeLine:
    """One named part of the fee, never zero."""

    name: str
    amount: Money


@dataclass(frozen=True)
class Fees:
    """The fees of a payment: the lines, their sum, and the version of the applied schedule."""

    lines: tuple[FeeLine, ...]
    total: Money
    schedule_version: str


def calculate(schedule: FeeSchedule, amount: Money) -> Fees:
    """The fees of an amount. They may exceed it: whether it is worth sending, payments decides."""
    parts = (
        FeeLine("flat", flat_part(schedule, amount)),
        FeeLine("percentage", percentage_part(schedule, amount)),
    )
    lines = tuple(line for line in parts if line.amount.amount_minor)
    total = sum((line.amount for line in lines), start=Money(0, amount.currency))
    return Fees(lines, total, schedule.version)
