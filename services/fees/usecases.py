"""The verb of this service: price a batch of payments. The arithmetic is in domain; here the
queries are checked, and a bad one does not fail the others."""

import time
from collections.abc import Sequence
from datetime import date

from services.fees.domain import FeeQuery, Fees, calculate, calculate_for_net
from services.shared import log, tracing
from services.shared.clock import Clock
from services.shared.corridors import Corridors
from services.shared.errors import DomainError, field_invalid
from services.shared.money import MAX_AMOUNT_MINOR, Money

# The contract's bound. It keeps one call's work, and so everybody else's wait, in milliseconds.
QUERIES_MAX = 1000


class FeeCalculator:
    """Prices payments by the corridors' fee schedules."""

    def __init__(self, corridors: Corridors, clock: Clock) -> None:
        self._corridors = corridors
        self._clock = clock

    def calculate_fees(self, queries: Sequence[FeeQuery]) -> list[Fees | DomainError]:
        """The fees of each query, or the refusal it gets, at the query's position.

        A refusal is CORRIDOR_UNSUPPORTED, FIELD_INVALID or AMOUNT_ABOVE_MAXIMUM. Raises
        Invalid on more than QUERIES_MAX queries.
        """
        if len(queries) > QUERIES_MAX:
            raise field_invalid("queries", f"queries may hold at most {QUERIES_MAX} payments")
        today = self._clock.now().date()
        log.get_logger().info(
            "fees_asked", trace_ids=[query.trace_id for query in queries if query.trace_id]
        )
        began = time.time_ns()
        answers = [self._answer(query, today) for query in queries]
        for query in queries:
            tracing.record("fees", query.trace_id, began=began, corridor=query.corridor_id)
        return answers

    def _answer(self, query: FeeQuery, today: date) -> Fees | DomainError:
        try:
            corridor = self._corridors.get(query.corridor_id)
            given = _given(query, corridor.source.currency)
            day = _day(query.on_date) if query.on_date else today
            schedule = corridor.schedule_on(day, query.merchant_id)
            by_net = query.net_minor is not None
            return calculate_for_net(schedule, given) if by_net else calculate(schedule, given)
        except DomainError as refusal:
            log.get_logger().info(
                "fees_refused",
                corridor_id=query.corridor_id,
                reason=refusal.error_reason,
                trace_id=query.trace_id,
            )
            return refusal


def _given(query: FeeQuery, currency: str) -> Money:
    """The amount or the net that the query gives."""
    if query.amount_minor is not None and query.net_minor is not None:
        raise field_invalid("net_amount", "a query has an amount or a net_amount, not both")
    field = "amount" if query.net_minor is None else "net_amount"
    minor = query.amount_minor if query.net_minor is None else query.net_minor
    if query.currency != currency:
        raise field_invalid(f"{field}.currency_code", f"{field} must be in {currency}")
    if minor is None or not 0 < minor <= MAX_AMOUNT_MINOR:
        raise field_invalid(
            f"{field}.amount_minor", f"amount_minor must be from 1 to {MAX_AMOUNT_MINOR}"
        )
    return Money(minor, currency)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # ISO 8601 has week dates and compact forms as well; the contract has one form.
    if day is None or day.isoformat() != text:
        raise field_invalid("on_date", "on_date must be a day such as 2026-11-23")
    return day
