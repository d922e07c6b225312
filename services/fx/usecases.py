"""The verb of this service: find the rate of each corridor. Sources are asked in the corridor's
order, and the first with a fresh rate wins; nothing is cached, as no source here is far away."""

from collections.abc import Mapping, Sequence

from services.fx.domain import Rate, RateQuery, RateStale, RateUnavailable
from services.fx.feed import Feed
from services.shared import log
from services.shared.clock import Clock
from services.shared.corridors import Corridor, Corridors
from services.shared.errors import DomainError, field_invalid

# The contract's bound. It keeps one call's work, and so everybody else's wait, in milliseconds.
QUERIES_MAX = 1000


class Rates:
    """Gives rates from the corridors' sources."""

    def __init__(self, corridors: Corridors, feeds: Mapping[str, Feed], clock: Clock) -> None:
        self._corridors = corridors
        self._feeds = feeds
        self._clock = clock

    async def survey(self) -> None:
        """Asks every source of every corridor once, so that their ages are published from the start
        and each corridor without a rate is in the log."""
        for corridor in self._corridors:
            base, quote = corridor.source.currency, corridor.destination.currency
            for name in corridor.fx.sources:
                await self._feeds[name].observe(base, quote)
            answer = await self._answer(corridor.id)
            if isinstance(answer, DomainError):
                log.get_logger().warning(
                    "corridor_without_rate", corridor_id=corridor.id, reason=answer.error_reason
                )

    async def get_rates(self, queries: Sequence[RateQuery]) -> Mapping[str, Rate | DomainError]:
        """The rate of each corridor asked for, or the refusal it gets, by corridor id.

        A batch asks for few corridors many times, so each is answered once. A refusal is
        CORRIDOR_UNSUPPORTED, FX_RATE_UNAVAILABLE or FX_RATE_STALE. Raises Invalid on more than
        QUERIES_MAX queries.
        """
        if len(queries) > QUERIES_MAX:
            raise field_invalid("queries", f"queries may hold at most {QUERIES_MAX} rates")
        corridor_ids = {query.corridor_id for query in queries}
        answers = {corridor_id: await self._answer(corridor_id) for corridor_id in corridor_ids}
        for query in queries:
            answer = answers[query.corridor_id]
            log.get_logger().info(
                "rate_asked",
                corridor_id=query.corridor_id,
                reason=answer.error_reason if isinstance(answer, DomainError) else "",
                trace_ids=query.trace_ids,
            )
        return answers

    async def _answer(self, corridor_id: str) -> Rate | DomainError:
        try:
            return await self._rate(self._corridors.get(corridor_id))
        except DomainError as refusal:
            return refusal

    async def _rate(self, corridor: Corridor) -> Rate:
        base, quote = corridor.source.currency, corridor.destination.currency
        pair = f"{base}/{quote}"
        stale = False
        for name in corridor.fx.sources:
            observation = await self._feeds[name].observe(base, quote)
            if observation is None:
                continue
            if observation.is_fresh(self._clock.now(), corridor.fx.maximum_age_hours):
                return Rate(
                    base_currency=base,
                    quote_currency=quote,
                    source=name,
                    observation=observation,
                    markup_basis_points=corridor.fx.markup_basis_points,
                )
            stale = True
        raise RateStale(pair=pair) if stale else RateUnavailable(pair=pair)
