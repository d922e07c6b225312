"""The verb of this service: price a batch of payments. The arithmetic is in domain; here the
queries are checked, and a bad one does not fail the others."""

from collections.abc import Sequence
from datetime import date

from services.fees.domain import FeeQuery, Fees, calculate
from services.shared import log
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

        A refusal is CORRIDOR_UNSUPPORTED or FIELD_INVALID. Raises Invalid on more than
        QUERIES_MAX queries.
        """
        if len(queries) > QUERIES_MAX:
            raise field_invalid("queries", f"queries may hold at most {QUERIES_MAX} payments")
        today = self._clock.now().date()
        log.get_logger().info(
            "fees_asked", trace_ids=[query.trace_id for query in queries if query.trace_id]
        )
        return [self._answer(query, today) for query in queries]

    def _answer(self, query: FeeQuery, today: date) -> Fees | DomainError:
        try:
            corridor = self._corridors.get(query.corridor_id)
            amount = _amount(query, corridor.source.currency)
            day = _day(query.on_date) if query.on_date else today
            return calculate(corridor.schedule_on(day), amount)
        except DomainError as refusal:
            log.get_logger().info(
                "fees_refused",
                corridor_id=query.corridor_id,
                reason=refusal.error_reason,
                trace_id=query.trace_id,
            )
            return refusal


def _amount(query: FeeQuery, currency: str) -> Money:
    if query.currency != currency:
        raise field_invalid("amount.currency_code", f"amount must be in {currency}")
    if not 0 < query.amount_minor <= MAX_AMOUNT_MINOR:
        raise field_invalid(
            "amount.amount_minor", f"amount_minor must be from 1 to {MAX_AMOUNT_MINOR}"
        )
    return Money(query.amount_minor, query.currency)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # ISO 8601 has week dates and compact forms as well; the contract has one form.
    if day is None or day.isoformat() != text:
        raise field_invalid("on_date", "on_date must be a day such as 2026-11-23")
    return day
