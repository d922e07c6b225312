"""Fees. The price of a payment is a flat part and a percentage of its amount, by the schedule that
counts on the day for its merchant; each part is rounded once, half up, to the currency's digits.
Where the net is given, the amount is the smallest that leaves it. Pure: schedules are data, read
by shared.corridors, where their arithmetic is too, because a file whose limits its own fees make
impossible is refused there."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from services.shared.corridors import (
    FeeSchedule,
    fee_of,
    flat_part,
    percentage_part,
    shares,
    smallest_leaving,
    terms_for,
)
from services.shared.errors import OutOfRange
from services.shared.money import SOURCE_CURRENCY, Money, format_rate

NOTHING = Money(0, SOURCE_CURRENCY)


class AmountAboveMaximum(OutOfRange):
    """No amount is large enough to leave the net that is asked for."""

    reason = "AMOUNT_ABOVE_MAXIMUM"


@dataclass(frozen=True, kw_only=True)
class FeeQuery:
    """One payment to price, as it was asked for and not yet checked: by its amount or by its net,
    both in one currency.

    on_date is ISO 8601 text, empty for today; without a merchant the prices are everybody's;
    trace_id is for the log alone.
    """

    corridor_id: str
    currency: str
    amount_minor: int | None = None
    net_minor: int | None = None
    on_date: str = ""
    merchant_id: str = ""
    trace_id: str = ""


@dataclass(frozen=True)
class FeeLine:
    """One named part of the fee, never zero, with the arithmetic that it comes from: numbers,
    + - *, min, max and round_half_up(x, digits)."""

    name: str
    amount: Money
    formula: str


@dataclass(frozen=True)
class Fees:
    """The fees of a payment: the lines, their sum, and the applied schedule: its version, and its
    terms as canonical JSON."""

    lines: tuple[FeeLine, ...]
    total: Money
    schedule_version: str
    schedule_terms: str


def calculate(schedule: FeeSchedule, amount: Money) -> Fees:
    """The fees of an amount. They may exceed it: whether it is worth sending, payments decides."""
    return _fees(schedule, list(_lines(schedule, amount)))


def calculate_for_net(schedule: FeeSchedule, net: Money) -> Fees:
    """The fees of the smallest amount that leaves this net: net and fees are the amount.

    Where a declared cliff leaves out this net, the smallest amount that leaves more is taken, and
    the rest is a line of its own, so that the fees are exactly the difference. Raises
    AmountAboveMaximum.
    """
    amount = smallest_leaving(schedule, net)
    if amount is None:
        raise AmountAboveMaximum
    lines, fee = list(_lines(schedule, amount)), fee_of(schedule, amount)
    excess = amount - fee - net
    if excess.amount_minor:
        lines.append(FeeLine("excess", excess, f"{amount} - {fee} - {net}"))
    return _fees(schedule, lines)


def _fees(schedule: FeeSchedule, lines: list[FeeLine]) -> Fees:
    total = sum((line.amount for line in lines), start=NOTHING)
    return Fees(tuple(lines), total, schedule.version, schedule.terms_json)


def _lines(schedule: FeeSchedule, amount: Money) -> Iterator[FeeLine]:
    flat, percentage = flat_part(schedule, amount), percentage_part(schedule, amount)
    if flat.amount_minor:
        yield FeeLine("flat", flat, str(flat))
    if percentage.amount_minor:
        yield FeeLine("percentage", percentage, _percentage_formula(schedule, amount))


def _percentage_formula(schedule: FeeSchedule, amount: Money) -> str:
    parts = (_product(part, share) for part, share in shares(schedule, amount) if share)
    formula = f"round_half_up({' + '.join(parts) or '0'}, 2)"
    least, most = terms_for(schedule, amount).bounds
    formula = f"max({formula}, {least})" if least else formula
    return f"min({formula}, {most})" if most else formula


def _product(part: Decimal, share: Decimal) -> str:
    return f"{part:f} * {format_rate(share)}"
