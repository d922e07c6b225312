"""The verb of this service: find the rate of each corridor. Sources are asked in the corridor's
order, and the first with a fresh rate wins, unless the others contradict it. All of them answer
from memory."""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from services.fx.domain import (
    Bounds,
    MarketClosed,
    Observation,
    Rate,
    RateQuery,
    RateStale,
    RateUnavailable,
    SourcesDisagree,
    disagree,
    divergence,
)
from services.fx.feed import Feed
from services.fx.market import opens_at
from services.fx.metrics import (
    count_override,
    count_refusal,
    show_available,
    show_corridor_age,
    show_divergence,
)
from services.fx.overrides import OverrideOutOfBounds, apply_override, outcome_of
from services.shared import log, tracing
from services.shared.clock import Clock
from services.shared.corridors import Corridor, Corridors, CorridorUnsupported
from services.shared.errors import DomainError, Unavailable, field_invalid

# The contract's bound. It keeps one call's work, and so everybody else's wait, in milliseconds.
QUERIES_MAX = 1000


class Rates:
    """Gives rates from the corridors' sources."""

    def __init__(self, corridors: Corridors, feeds: Mapping[str, Feed], clock: Clock) -> None:
        self._corridors = corridors
        self._feeds = feeds
        self._clock = clock
        # The reason that the log has last, by corridor.
        self._said: dict[str, str] = {}

    async def survey(self) -> None:
        """Asks every source of every corridor, so that their ages are published and each corridor
        without a rate is in the log and in the metrics, whether or not anybody asks for it."""
        for corridor in self._corridors:
            base, quote = corridor.source.currency, corridor.destination.currency
            found = [
                await self._feeds[name].observe(base, quote, _bounds(corridor))
                for name in corridor.fx.sources
            ]
            self._show_ages(corridor, [one for one in found if one is not None])
            answer = await self._answer(corridor.id)
            refused = answer.error_reason if isinstance(answer, DomainError) else ""
            show_available(corridor.id, available=not refused)
            if refused and refused != self._said.get(corridor.id):
                log.get_logger().warning(
                    "corridor_without_rate", corridor_id=corridor.id, reason=refused
                )
            self._said[corridor.id] = refused

    def _show_ages(self, corridor: Corridor, found: Sequence[Observation]) -> None:
        now, hours_max = self._clock.now(), corridor.fx.maximum_age_hours
        if found:
            newest = max(found, key=lambda one: one.observed_at)
            show_corridor_age(corridor.id, newest.age(now), hours_max)
        limit = corridor.fx.maximum_deviation_basis_points
        mids = [one.mid for one in found if one.is_fresh(now, hours_max)]
        if limit and mids:
            show_divergence(corridor.id, divergence(mids) / limit)

    async def get_rates(self, queries: Sequence[RateQuery]) -> Mapping[str, Rate | DomainError]:
        """The rate of each corridor asked for, or the refusal it gets, by corridor id.

        A batch asks for few corridors many times, so each is answered once. A refusal is
        CORRIDOR_UNSUPPORTED, FX_RATE_UNAVAILABLE, FX_RATE_STALE, FX_MARKET_CLOSED or
        FX_SOURCES_DISAGREE. Raises Invalid on more than QUERIES_MAX queries.
        """
        if len(queries) > QUERIES_MAX:
            raise field_invalid("queries", f"queries may hold at most {QUERIES_MAX} rates")
        began = time.time_ns()
        corridor_ids = {query.corridor_id for query in queries}
        answers = {corridor_id: await self._answer(corridor_id) for corridor_id in corridor_ids}
        for query in queries:
            answer = answers[query.corridor_id]
            reason = answer.error_reason if isinstance(answer, DomainError) else ""
            if reason and not isinstance(answer, CorridorUnsupported):
                count_refusal(query.corridor_id, reason)
            log.get_logger().info(
                "rate_asked",
                corridor_id=query.corridor_id,
                reason=reason,
                trace_ids=query.trace_ids,
            )
            for trace_id in query.trace_ids:
                tracing.record("rate", trace_id, began=began, corridor=query.corridor_id)
        return answers

    def overridden(
        self, query: RateQuery, answer: Rate | DomainError
    ) -> Rate | OverrideOutOfBounds | DomainError:
        """The answer to a query, with the query's override in it where that still applies."""
        if query.override is None or isinstance(answer, DomainError):
            return answer
        accepted = _bounds(self._corridors.get(query.corridor_id))
        applied = apply_override(answer, query.override, self._clock.now(), accepted)
        count_override(query.corridor_id, outcome_of(applied))
        return applied

    async def _answer(self, corridor_id: str) -> Rate | DomainError:
        try:
            return await self._rate(self._corridors.get(corridor_id))
        except DomainError as refusal:
            return refusal

    async def _rate(self, corridor: Corridor) -> Rate:
        now = self._clock.now()
        margin = _closed_market_margin(corridor, now)
        fresh = await self._fresh(corridor, now)
        name, observation = fresh[0]
        limit = corridor.fx.maximum_deviation_basis_points
        if limit and disagree([one.mid for _, one in fresh], limit):
            raise self._until_refresh(SourcesDisagree(pair=_pair(corridor)), corridor, now)
        by = observation.published_by
        return Rate(
            base_currency=corridor.source.currency,
            quote_currency=corridor.destination.currency,
            source=f"{name}:{by}" if by else name,
            observation=observation,
            markup_basis_points=corridor.fx.markup_basis_points,
            closed_market_basis_points=margin,
        )

    async def _fresh(self, corridor: Corridor, now: datetime) -> list[tuple[str, Observation]]:
        """The sources with a fresh rate, in the corridor's order: all where they are compared, else
        the first. Raises RateStale, RateUnavailable."""
        base, quote = corridor.source.currency, corridor.destination.currency
        fresh, stale = list[tuple[str, Observation]](), False
        for name in corridor.fx.sources:
            observation = await self._feeds[name].observe(base, quote, _bounds(corridor))
            if observation is None:
                continue
            if not observation.is_fresh(now, corridor.fx.maximum_age_hours):
                stale = True
                continue
            fresh.append((name, observation))
            if corridor.fx.maximum_deviation_basis_points is None:
                break
        if not fresh:
            refusal = RateStale if stale else RateUnavailable
            raise self._until_refresh(refusal(pair=_pair(corridor)), corridor, now)
        return fresh

    def _until_refresh(
        self, refusal: Unavailable, corridor: Corridor, now: datetime
    ) -> Unavailable:
        """The refusal, with the time until one of the corridor's sources is read again, if any."""
        times = [self._feeds[name].refreshes_at for name in corridor.fx.sources]
        if coming := [time for time in times if time]:
            refusal.retry_after_seconds = _seconds_until(min(coming), now)
        return refusal


def _closed_market_margin(corridor: Corridor, now: datetime) -> int:
    """More of a margin, in basis points. Raises MarketClosed."""
    fx = corridor.fx
    if not fx.refused_while_closed and not fx.closed_market_basis_points:
        return 0
    opens = opens_at(now)
    if opens is None:
        return 0
    if fx.refused_while_closed:
        text = opens.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        refusal = MarketClosed(pair=_pair(corridor), opens_at=text)
        refusal.retry_after_seconds = _seconds_until(opens, now)
        raise refusal
    return fx.closed_market_basis_points


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, math.ceil((moment - now).total_seconds()))


def _pair(corridor: Corridor) -> str:
    return f"{corridor.source.currency}/{corridor.destination.currency}"


def _bounds(corridor: Corridor) -> Bounds | None:
    bounds = corridor.fx.mid_bounds
    return bounds.both if bounds else None
