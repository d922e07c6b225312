"""Frankfurter, version 2: the published rates of central banks and other institutions, daily. It is
asked for those of one institution by its name; a blend of several is rounded, and nobody's word."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from services.fx.domain import Leg, Observation
from services.fx.ports import SourceAway
from services.fx.sources.http import Answer, get_json, read_day, read_rate
from services.fx.sources.kit import Handed, LastGood, Pair, load_all
from services.fx.sources.settings import HOUR, BaseUrl, RefreshSeconds

Provider = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,12}(\.[A-Z0-9]{1,8})?$")]
# Stands for every currency that has none of its own.
ANY = ""


def _by_currency(value: object) -> object:
    """Reads "ECB,NGN=CBN,KES=CBK"."""
    if not isinstance(value, str):
        return value
    parts = [part.strip().rpartition("=") for part in value.split(",")]
    if len({currency for currency, _, _ in parts}) < len(parts):
        raise ValueError("must name one institution for each currency: ECB,NGN=CBN")
    return {currency.strip(): name.strip() for currency, _, name in parts}


def _codes(value: Mapping[str, str]) -> Mapping[str, str]:
    if not all(code == ANY or (len(code) == 3 and code.isalpha()) for code in value):
        raise ValueError("must name currencies by their codes: ECB,NGN=CBN")
    return value


Providers = Annotated[Mapping[str, Provider], BeforeValidator(_by_currency), AfterValidator(_codes)]


class FrankfurterSettings(BaseModel):
    """The variables of Frankfurter: address, institution by currency, seconds between two reads."""

    frankfurter_url: BaseUrl = Field(
        "https://api.frankfurter.dev", description="Where it answers: theirs, or one of your own."
    )
    frankfurter_providers: Providers = Field(
        description="The institution whose rates are taken, by Frankfurter's code, and after "
        "commas those of single currencies: ECB,NGN=CBN,KES=CBK."
    )
    frankfurter_refresh_seconds: RefreshSeconds = Field(
        HOUR, description="How long until it is read again."
    )


class FrankfurterSource:
    """Rates by Frankfurter: one request for each institution and base currency."""

    def __init__(self, handed: Handed) -> None:
        self._handed = handed
        self._settings: FrankfurterSettings = handed.settings
        self.refresh_seconds: float | None = self._settings.frankfurter_refresh_seconds
        self._rates = LastGood(handed.name, handed.clock)

    async def load(self) -> None:
        """Reads the newest rates of each institution. Raises SourceAway where none can be had."""
        await load_all(self._handed.name, (self._load(*one) for one in self._requests()))

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The newest published rate."""
        return self._rates.get(base_currency, quote_currency)

    async def _load(self, provider: str, base: str, quotes: Sequence[str]) -> None:
        answer = await get_json(
            self._handed.http,
            f"{self._settings.frankfurter_url}/v2/rates",
            parameters={"base": base, "quotes": ",".join(quotes), "providers": provider},
        )
        fetched_at = self._handed.clock.now()
        self._rates.keep(_read(answer, provider, base, quotes, fetched_at))

    def _requests(self) -> Iterator[tuple[str, str, Sequence[str]]]:
        providers = self._settings.frankfurter_providers
        for base, quotes in self._handed.quotes_by_base.items():
            asked: defaultdict[str, list[str]] = defaultdict(list)
            for quote in quotes:
                if provider := providers.get(quote, providers.get(ANY)):
                    asked[provider].append(quote)
            for provider, codes in asked.items():
                yield provider, base, codes


def _read(
    answer: Answer, provider: str, base: str, quotes: Sequence[str], fetched_at: datetime
) -> list[tuple[Pair, Observation]]:
    if not isinstance(answer.value, list):
        raise SourceAway("it answered no list of rates")
    found: dict[Pair, Observation] = {}
    for row in answer.value:
        if not isinstance(row, dict) or row.get("base") != base:
            raise SourceAway("it answered for another base currency")
        quote: Any = row.get("quote")
        rate = read_rate(row.get("rate"))
        if quote not in quotes or rate is None:
            continue
        if (base, quote) in found:
            raise SourceAway("it answered two rates of one pair")
        found[base, quote] = Observation(
            mid=rate,
            legs=(Leg(base, quote, rate),),
            observed_at=read_day(row.get("date")),
            fetched_at=fetched_at,
            payload_sha256=answer.payload_sha256,
            published_by=provider,
        )
    return list(found.items())
