"""Made-up rates for a sandbox's currencies that no other source has; every answer says so."""

import asyncio
import hashlib
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from services.fx.domain import Leg, Observation
from services.fx.sources.kit import Handed, start_of

SYNTHETIC_RATES = Path(__file__).with_name("synthetic_rates.toml")


class SyntheticSource:
    """Made-up rates: a table for each base currency, in a file that is read once."""

    # The file never changes while the process runs.
    refresh_seconds: float | None = None

    def __init__(self, handed: Handed) -> None:
        self._clock = handed.clock
        self._observations: Mapping[tuple[str, str], Observation] = {}

    async def load(self) -> None:
        """Reads the file beside this module; it comes with the code, so that it is always there."""
        self._observations = await asyncio.to_thread(self._read)

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The rate in the table of the base currency."""
        return self._observations.get((base_currency, quote_currency))

    def _read(self) -> Mapping[tuple[str, str], Observation]:
        payload = SYNTHETIC_RATES.read_bytes()
        tables = tomllib.loads(payload.decode())
        observed_at, fetched_at = start_of(tables.pop("observed_on")), self._clock.now()
        rates = {
            (base.upper(), quote): Decimal(text)
            for base, table in tables.items()
            for quote, text in table.items()
        }
        return {
            (base, quote): Observation(
                mid=rate,
                legs=(Leg(base, quote, rate),),
                observed_at=observed_at,
                fetched_at=fetched_at,
                synthetic=True,
                payload_sha256=hashlib.sha256(payload).hexdigest(),
            )
            for (base, quote), rate in rates.items()
        }
