"""The reading of an answer that is one table: a base currency, one time for all, and a rate for
each currency, as Open Exchange Rates and currencylayer answer."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from services.fx.domain import Leg, Observation
from services.fx.sources.http import read_rate
from services.fx.sources.kit import Pair

# The base of an answer to a request that names none, at both: each plan has it, only some another.
DEFAULT_BASE = "USD"


def observations(
    rates: Mapping[Pair, object], observed_at: datetime, fetched_at: datetime, payload_sha256: str
) -> Iterator[tuple[Pair, Observation]]:
    """An observation for each pair whose value is a number; the others are missing."""
    for (base, quote), value in rates.items():
        rate = read_rate(value)
        if rate is not None:
            yield (
                (base, quote),
                Observation(
                    mid=rate,
                    legs=(Leg(base, quote, rate),),
                    observed_at=observed_at,
                    fetched_at=fetched_at,
                    payload_sha256=payload_sha256,
                ),
            )
