"""The overrides of rates as the processes that price know them: the service holds them in memory,
and the worker, which prices seldom, reads them each time."""

from collections.abc import Mapping

from services.payments.base.held import Held
from services.payments.model.quote import RateOverride
from services.payments.operators.overriding import AgreedOverride
from services.payments.operators.ports import OverrideSource


class ReadOverrides:
    """The port Overrides, read each time."""

    def __init__(self, source: OverrideSource) -> None:
        self._source = source

    async def in_force(self) -> Mapping[str, RateOverride]:
        """See Overrides.in_force."""
        now, found = await self._source.open()
        return {one.corridor_id: rate_override(one) for one in found if one.is_in_force(now)}


class HeldOverrides(Held[AgreedOverride]):
    """The port Overrides in memory."""

    name = "overrides"

    async def in_force(self) -> Mapping[str, RateOverride]:
        """See Overrides.in_force: those that have begun by the earliest time that the database may
        have now, and not ended by the latest."""
        rows, earliest, latest = await self.rows()
        return {
            one.corridor_id: rate_override(one)
            for one in rows
            if one.is_in_force(earliest) and one.is_in_force(latest)
        }


def rate_override(agreed: AgreedOverride) -> RateOverride:
    """An override as fx takes it."""
    return RateOverride(
        override_id=agreed.override_id,
        rate=agreed.rate,
        markup_basis_points=agreed.markup_basis_points,
        expires_at=agreed.ends_at,
        maximum_deviation_basis_points=agreed.maximum_deviation_basis_points,
        proposed_by=agreed.proposed_by,
        approved_by=agreed.approved_by,
        reason=agreed.reason,
    )
