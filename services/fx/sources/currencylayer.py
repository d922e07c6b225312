"""currencylayer: a table for each source currency, renewed each day or more often, by plan."""

from collections.abc import Sequence
from decimal import Decimal

from pydantic import BaseModel, Field

from services.fx.ports import SourceAway
from services.fx.sources.http import get_json
from services.fx.sources.kit import Handed
from services.fx.sources.settings import HOUR, BaseUrl, Key, RefreshSeconds
from services.fx.sources.tables import DEFAULT_BASE, TableSource


class CurrencylayerSettings(BaseModel):
    """The variables of currencylayer: address, key, and seconds between two reads."""

    currencylayer_access_key: Key = Field(description="The access key of the account.")
    currencylayer_url: BaseUrl = Field(
        "https://api.currencylayer.com", description="Where it answers."
    )
    currencylayer_refresh_seconds: RefreshSeconds = Field(
        HOUR, description="How long until it is read again; plans bound the requests of a month."
    )


class CurrencylayerSource(TableSource):
    """Rates of currencylayer: one request for each base currency, with the key in its address."""

    def __init__(self, handed: Handed) -> None:
        self._settings: CurrencylayerSettings = handed.settings
        super().__init__(handed, self._settings.currencylayer_refresh_seconds)

    async def _load(self, base: str, quotes: Sequence[str]) -> None:
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
        self._keep({(base, quote): rates.get(f"{base}{quote}") for quote in quotes}, table, answer)


def _code(table: object) -> str:
    error = table.get("error") if isinstance(table, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return f" ({code})" if isinstance(code, Decimal) and 0 <= code < 10_000 else ""
