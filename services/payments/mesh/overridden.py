"""The rates of fx, asked with the overrides that are in force."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from services.payments.mesh.ports import RateQuery, Rates
from services.payments.model.quote import RateOverride, RateTrail
from services.shared.errors import DomainError, Unavailable


class Overrides(Protocol):
    """The overrides of rates that operators have agreed on."""

    async def in_force(self) -> Mapping[str, RateOverride]:
        """Those in force now, by their corridors. Raises Unavailable."""
        ...


class OverriddenRates:
    """The port Rates, with the override of each query's corridor."""

    def __init__(self, rates: Rates, overrides: Overrides) -> None:
        self._rates = rates
        self._overrides = overrides

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        """See Rates.get."""
        in_force = await self._overrides.in_force()
        if in_force.keys().isdisjoint(query.corridor_id for query in queries):
            return await self._rates.get(queries)
        queries = [replace(one, override=in_force.get(one.corridor_id)) for one in queries]
        answers = await self._rates.get(queries)
        # One may have ended meanwhile, by its time or by an operator.
        still = await self._overrides.in_force()
        return [
            _held_to(still.get(query.corridor_id), answer)
            for query, answer in zip(queries, answers, strict=True)
        ]


def _held_to(
    override: RateOverride | None, answer: RateTrail | DomainError
) -> RateTrail | DomainError:
    """The answer, where it is by the override that is in force after it. An fx of another release,
    or with a clock ahead of the database's, answers the market's rate, which two people have
    replaced."""
    if isinstance(answer, DomainError) or _id_of(answer.override) == _id_of(override):
        return answer
    return Unavailable("the rate is not by the override that is in force")


def _id_of(override: RateOverride | None) -> str:
    return override.override_id if override else ""
