"""The rates of fx, asked with the overrides that are in force."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from services.payments.mesh.ports import RateQuery, Rates
from services.payments.model.quote import RateOverride, RateTrail
from services.shared.errors import DomainError, Unavailable

# The rates are asked for again where an override begins or ends meanwhile, and then no more.
QUESTIONS_MAX = 2


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
        corridors = {query.corridor_id for query in queries}
        answers: Sequence[RateTrail | DomainError] = ()
        in_force = await self._overrides.in_force()
        for _ in range(QUESTIONS_MAX):
            if corridors.isdisjoint(in_force):
                return await self._rates.get(queries)
            answers = await self._rates.get(
                [replace(one, override=in_force.get(one.corridor_id)) for one in queries]
            )
            # One may have begun or ended meanwhile, by its time or by an operator.
            in_force, asked = await self._overrides.in_force(), in_force
            if all(in_force.get(one) == asked.get(one) for one in corridors):
                break
        return [
            _held_to(in_force.get(query.corridor_id), answer)
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
