"""Open Exchange Rates: one table for each base currency, renewed hourly or more often, by plan."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from services.fx.ports import SourceAway
from services.fx.sources.http import get_json
from services.fx.sources.kit import Handed
from services.fx.sources.settings import HOUR, BaseUrl, Key, RefreshSeconds
from services.fx.sources.tables import DEFAULT_BASE, TableSource


class OpenExchangeRatesSettings(BaseModel):
    """The variables of Open Exchange Rates: address, key, and seconds between two reads."""

    openexchangerates_app_id: Key = Field(description="The App ID of the account.")
    openexchangerates_url: BaseUrl = Field(
        "https://openexchangerates.org", description="Where it answers."
    )
    openexchangerates_refresh_seconds: RefreshSeconds = Field(
        HOUR, description="How long until it is read again; plans bound the requests of a month."
    )


class OpenExchangeRatesSource(TableSource):
    """Rates of Open Exchange Rates: one request for each base currency."""

    def __init__(self, handed: Handed) -> None:
        self._settings: OpenExchangeRatesSettings = handed.settings
        super().__init__(handed, self._settings.openexchangerates_refresh_seconds)

    async def _load(self, base: str, quotes: Sequence[str]) -> None:
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
        self._keep({(base, quote): rates.get(quote) for quote in quotes}, table, answer)
