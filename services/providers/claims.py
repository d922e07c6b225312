"""Asks providers how claims against collections stand, within the limits of each provider. Their
events are read in the adapters; the money of a claim is what this question brings."""

import time

from services.providers.domain import Dispute, ProviderNotFound
from services.providers.ports import DisputeKeeper
from services.providers.questions import Questions
from services.shared.errors import field_invalid
from services.shared.log import get_logger

REFERENCE_LENGTH_MAX = 255


class Claims(Questions):
    """The claims at all providers that can be asked about them."""

    async def look_up(self, provider: str, provider_reference: str) -> Dispute | None:
        """The claim as its provider has it now; None where it has none of this id.

        Raises ProviderNotFound, Invalid, Unavailable.
        """
        adapter = self._adapters.get(provider)
        if not isinstance(adapter, DisputeKeeper) or not adapter.capabilities.looks_up_disputes:
            message = "No provider of this name can be asked about disputes."
            raise ProviderNotFound(message, provider=provider[:64])
        if not 0 < len(provider_reference) <= REFERENCE_LENGTH_MAX:
            words = f"provider_reference has 1 to {REFERENCE_LENGTH_MAX} characters"
            raise field_invalid("provider_reference", words)
        started = time.monotonic()
        dispute = await self._asked(provider, lambda: adapter.look_up_dispute(provider_reference))
        get_logger().info(
            "dispute_looked_up",
            provider=provider,
            provider_reference=provider_reference,
            status=dispute.status.name if dispute else "ABSENT",
            milliseconds=round((time.monotonic() - started) * 1000, 2),
        )
        return dispute
