"""currencylayer: a table for each source currency, renewed each day or more often, by plan."""

from decimal import Decimal

from pydantic import BaseModel, Field

from services.fx.domain import Observation
from services.fx.ports import SourceAway
from services.fx.sources.http import get_json, read_unix
from services.fx.sources.kit import Handed, LastGood, load_all
from services.fx.sources.settings import HOUR, BaseUrl, Key, RefreshSeconds
from services.fx.sources.tables import DEFAULT_BASE, observations


class CurrencylayerSettings(BaseModel):
    """Its variables."""

    currencylayer_access_key: Key = Field(description="The access key of the account.")
    currencylayer_url: BaseUrl = Field(
        "https://api.currencylayer.com", description="Where it answers."
    )
    currencylayer_refresh_seconds: RefreshSeconds = Field(
        HOUR, description="How long until it is read again; plans bound the requests of a month."
    )


class CurrencylayerSource:
    """The source."""

    def __init__(self, handed: Handed) -> None:
        self._handed = handed
        self._settings: CurrencylayerSettings = handed.settings
        self.refresh_seconds: float | None = self._settings.currencylayer_refresh_seconds
        self._rates = LastGood(handed.name, handed.clock)

    async def load(self) -> None:
        """Reads the table of each base currency. Raises SourceAway where none can be had."""
        by_base = self._handed.quotes_by_base.items()
        await load_all(self._handed.name, (self._load(*one) for one in by_base))

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The newest rate of the table."""
        return self._rates.get(base_currency, quote_currency)

    async def _load(self, base: str, quotes: list[str]) -> None:
        key = self._settings.currencylayer_access_key.get_secret_value()
        # It takes the key in the address alone, so no address of it is ever written anywhere.
        asked = {"access_key": key, "currencies": ",".join(quotes)}
        answer = await get_json(
            self._handed.http,
            f"{self._settings.currencylayer_url}/live",
            parameters=asked if base == DEFAULT_BASE else {**asked, "source": base},
            key=key,
        )
        table = answer.value
        # A failure has the status 200, too.
        if not isinstance(table, dict) or table.get("success") is not True:
            raise SourceAway(f"it answered an error{_code(table)}")
        if table.get("source") != base:
            raise SourceAway("it answered for another base currency")
        rates = table.get("quotes")
        if not isinstance(rates, dict):
            raise SourceAway("it answered no table of rates")
        self._rates.keep(
            observations(
                {(base, quote): rates.get(f"{base}{quote}") for quote in quotes},
                read_unix(table.get("timestamp")),
                self._handed.clock.now(),
                answer.payload_sha256,
            )
        )


def _code(table: object) -> str:
    error = table.get("error") if isinstance(table, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return f" ({code})" if isinstance(code, Decimal) and 0 <= code < 10_000 else ""
