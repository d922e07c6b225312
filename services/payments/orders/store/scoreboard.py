"""Counts the newest payments of a merchant, or of all, by the keys that are there: so many at the
most, so that no count looks through a table. Where there are more, the count begins later."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.statements import literals
from services.payments.model.principal import MerchantId
from services.payments.model.scoreboard import (
    DISCLOSED_PERCENT,
    NOT_COLLECTED,
    WINDOW,
    WITHIN_DAY_PERCENT,
    WITHIN_HOUR_PERCENT,
    Figures,
    Share,
)
from services.payments.orders.scoreboard import Counted
from services.shared.db import autocommitted, connected
from services.shared.ids import first_id
from services.shared.rollback import repeated

COUNTED_MAX = 20_000
# One business day after a moment, by the days of the week in UTC.
DAY_ENDS = """
    CASE extract(isodow FROM p.at)
         WHEN 5 THEN p.at + interval '3 days'
         WHEN 6 THEN date_trunc('day', p.at) + interval '3 days'
         WHEN 7 THEN date_trunc('day', p.at) + interval '2 days'
         ELSE p.at + interval '1 day' END AT TIME ZONE 'UTC'
"""
UNPAID = f"p.state IN {literals(NOT_COLLECTED)}"
# The amounts are always kept; the other facts of a disclosure (docs/disclosures.md) are not, where
# the offer is from before they were, or its corridor discloses nothing.
SHOWN = """
    q.terms ?& ARRAY['schedule_terms', 'disclosure']
    AND q.trail ?& ARRAY['mid_rate', 'source', 'observed_at']
"""
# Ranges of the key and not "merchant_id = …", as a merchant's page has them.
OF_MERCHANT = """
     WHERE (merchant_id, id) >= (:merchant_id, :since) AND merchant_id <= :merchant_id
     ORDER BY merchant_id DESC, id DESC
"""
OF_ALL = " WHERE id >= :since ORDER BY id DESC"
COUNT = """
    WITH newest AS MATERIALIZED (
        SELECT merchant_id, id, quote_id, corridor_id, state, created_at,
               created_at AT TIME ZONE 'UTC' AS at
          FROM payments {newest} LIMIT :most
    ), timed AS (
        SELECT p.corridor_id, now() >= p.created_at + interval '1 hour' AS is_hour_over,
               done.at <= p.created_at + interval '1 hour' AS within_hour,
               now() >= ({day_ends}) AS is_day_over, done.at <= ({day_ends}) AS within_day,
               q.disclosed
          FROM newest p
          LEFT JOIN LATERAL (
               SELECT max(occurred_at) AS at FROM payment_events e
                WHERE e.merchant_id = p.merchant_id AND e.payment_id = p.id
                  AND p.state = 'COMPLETED' AND e.to_state = 'COMPLETED'
                  AND e.from_state IS DISTINCT FROM e.to_state) AS done ON true
          LEFT JOIN LATERAL (
               SELECT q.created_at < p.created_at AND ({shown}) AS disclosed FROM quotes q
                WHERE q.merchant_id = p.merchant_id AND q.id = p.quote_id LIMIT 1) AS q ON true
         WHERE NOT {unpaid}
    ), counted AS (
        SELECT corridor_id, count(*) AS payments,
               count(*) FILTER (WHERE is_hour_over) AS hours,
               count(*) FILTER (WHERE is_hour_over AND within_hour) AS within_hour,
               count(*) FILTER (WHERE is_day_over) AS days,
               count(*) FILTER (WHERE is_day_over AND within_day) AS within_day,
               count(*) FILTER (WHERE disclosed) AS disclosed
          FROM timed GROUP BY corridor_id
    )
    SELECT n.looked_at, n.oldest, now() AS until, c.corridor_id, c.payments, c.hours,
           c.within_hour, c.days, c.within_day, c.disclosed
      FROM (SELECT count(*) AS looked_at, min(created_at) AS oldest FROM newest) AS n
      LEFT JOIN counted c ON true
"""


def _statement(newest: str) -> str:
    return COUNT.format(newest=newest, day_ends=DAY_ENDS, shown=SHOWN, unpaid=UNPAID)


_COUNT_OF_MERCHANT, _COUNT_OF_ALL = text(_statement(OF_MERCHANT)), text(_statement(OF_ALL))
_NOW = text("SELECT now()")


class PostgresScoreboards:
    """The port ScoreboardStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, *, counted_max: int = COUNTED_MAX) -> None:
        self._reader = autocommitted(engine)
        self._counted_max = counted_max

    @repeated
    async def count(self, merchant_id: MerchantId | None) -> Counted:
        """See ScoreboardStore.count."""
        asked: dict[str, Any] = {"most": self._counted_max}
        statement = _COUNT_OF_ALL
        if merchant_id is not None:
            statement, asked["merchant_id"] = _COUNT_OF_MERCHANT, merchant_id
        async with connected(self._reader) as connection:
            since = (await connection.execute(_NOW)).scalar_one() - WINDOW
            found = (await connection.execute(statement, asked | {"since": first_id(since)})).all()
        all_counted = found[0].looked_at < self._counted_max
        return Counted(
            counted_from=since if all_counted else found[0].oldest,
            counted_until=found[0].until,
            all_counted=all_counted,
            figures={row.corridor_id: _figures(row) for row in found if row.corridor_id},
        )


def _figures(row: Row[Any]) -> Figures:
    return Figures(
        payments=row.payments,
        within_hour=Share(
            counted=row.hours, reached=row.within_hour, target_percent=WITHIN_HOUR_PERCENT
        ),
        within_day=Share(
            counted=row.days, reached=row.within_day, target_percent=WITHIN_DAY_PERCENT
        ),
        disclosed=Share(
            counted=row.payments, reached=row.disclosed, target_percent=DISCLOSED_PERCENT
        ),
    )
