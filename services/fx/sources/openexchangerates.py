"""Open Exchange Rates: one table for each base currency, renewed hourly or more often, by plan."""

from pydantic import BaseModel, Field

from services.fx.domain import Observation
from services.fx.ports import SourceAway
from services.fx.sources.http import get_json, read_unix
from services.fx.sources.kit import Handed, LastGood, load_all
from services.fx.sources.settings import HOUR, BaseUrl, Key, RefreshSeconds
from services.fx.sources.tables import DEFAULT_BASE, observations


class OpenExchangeRatesSettings(BaseModel):
    """Its variables."""

    openexchangerates_app_id: Key = Field(description="The App ID of the account.")
    openexchangerates_url: BaseUrl = Field(
        "https://openexchangerates.org", description="Where it answers."
    )
    openexchangerates_refresh_seconds: RefreshSeconds = Field(
        HOUR, description="How long until it is read again; plans bound the requests of a month."
    )


class OpenExchangeRatesSource:
    """The source."""

    def __init__(self, handed: Handed) -> None:
        self._handed = handed
        self._settings: OpenExchangeRatesSettings = handed.settings
        self.refresh_seconds: float | None = self._settings.openexchangerates_refresh_seconds
        self._rates = LastGood(handed.name, handed.clock)

    async def load(self) -> None:
        """Reads the table of each base currency. Raises SourceAway where none can be had."""
        by_base = self._handed.quotes_by_base.items()
        await load_all(self._handed.name, (self._load(*one) for one in by_base))

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The newest rate of the table."""
        return self._rates.get(base_currency, quote_currency)

    async def _load(self, base: str, quotes: list[str]) -> None:
        key = self._settings.openexchangerates_app_id.get_secret_value()
        answer = await get_json(
            self._handed.http,
            f"{self._settings.openexchangerates_url}/api/latest.json",
            # Which currencies are wanted is not said: not every plan may.
            parameters={} if base == DEFAULT_BASE else {"base": base},
            # In the address it would be in the logs of every proxy.
            headers={"authorization": f"Token {key}"},
            key=key,
        )
        table = answer.value
        if not isinstance(table, dict) or table.get("error"):
            raise SourceAway("it answered an error")
        if table.get("base") != base:
            raise SourceAway("it answered for another base currency")
        rates = table.get("rates")
        if not isinstance(rates, dict):
            raise SourceAway("it answered no table of rates")
        self._rates.keep(
            observations(
                {(base, quote): rates.get(quote) for quote in quotes},
                read_unix(table.get("timestamp")),
                self._handed.clock.now(),
                answer.payload_sha256,
            )
        )
