"""The rates of fx, asked with the overrides that are in force."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from services.payments.mesh.ports import RateQuery, Rates
from services.payments.model.quote import RateOverride, RateTrail
from services.shared.errors import DomainError


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
        if in_force:
            queries = [replace(one, override=in_force.get(one.corridor_id)) for one in queries]
        return await self._rates.get(queries)
