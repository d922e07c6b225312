"""Asks providers how claims against collections stand, within the limits of each provider. Their
events are read in the adapters; the money of a claim is what this question brings."""

import time
from collections.abc import Mapping
from datetime import timedelta

from services.providers.domain import Dispute, ProviderNotFound
from services.providers.limits import Gate
from services.providers.ports import Adapter, DisputeKeeper
from services.shared.errors import Unavailable, field_invalid
from services.shared.log import get_logger

ASKING = timedelta(seconds=10)
REFERENCE_LENGTH_MAX = 255


class Claims:
    """The claims at all providers that can be asked about them."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        gates: Mapping[str, Gate],
        within: timedelta = ASKING,
    ) -> None:
        self._adapters = adapters
        self._gates = gates
        self._within_seconds = within.total_seconds()

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
        dispute = await self._asked(provider, adapter, provider_reference)
        get_logger().info(
            "dispute_looked_up",
            provider=provider,
            provider_reference=provider_reference,
            status=dispute.status.name if dispute else "ABSENT",
            milliseconds=round((time.monotonic() - started) * 1000, 2),
        )
        return dispute

    async def _asked(
        self, provider: str, adapter: DisputeKeeper, provider_reference: str
    ) -> Dispute | None:
        try:
            return await self._gates[provider].asked(
                self._within_seconds, lambda: adapter.look_up_dispute(provider_reference)
            )
        except TimeoutError:
            words = "The provider has not answered in time."
            raise Unavailable(words, provider=provider) from None
