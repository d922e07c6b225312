"""The pauses as the service holds them in memory. The worker needs none: a payment that is under
way meets them in the statement that marks an attempt as sent."""

from services.payments.base.held import Held
from services.payments.model.pause import Pause, Paused, paused_by


class HeldPauses(Held[Pause]):
    """The port Pauses in memory."""

    name = "pauses"

    async def in_force(self) -> Paused:
        """See Pauses.in_force: those that have not ended by the earliest time that the database may
        have now."""
        rows, earliest, _ = await self.rows()
        return paused_by([one for one in rows if one.is_in_force(earliest)])
