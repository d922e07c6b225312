"""Where rates come from: a file each, behind ports.RateSource, and the table of all. Corridors name
their sources by its words; a source is opened, and its variables are read, only where one does."""

from collections.abc import Mapping

from services.fx.sources.currencylayer import CurrencylayerSettings, CurrencylayerSource
from services.fx.sources.ecb import EcbSource
from services.fx.sources.frankfurter import FrankfurterSettings, FrankfurterSource
from services.fx.sources.json_source import PREFIX, described
from services.fx.sources.kit import Registration
from services.fx.sources.openexchangerates import (
    OpenExchangeRatesSettings,
    OpenExchangeRatesSource,
)
from services.fx.sources.synthetic import SyntheticSource

# A new source is a file and a row.
SOURCES: Mapping[str, Registration] = {
    "currencylayer": Registration(open=CurrencylayerSource, settings=CurrencylayerSettings),
    "ecb": Registration(open=EcbSource),
    "frankfurter": Registration(open=FrankfurterSource, settings=FrankfurterSettings),
    "openexchangerates": Registration(
        open=OpenExchangeRatesSource, settings=OpenExchangeRatesSettings
    ),
    "synthetic": Registration(open=SyntheticSource),
}


def registration(name: str, catalogue: Mapping[str, Registration] = SOURCES) -> Registration | None:
    """The source of this name: one of the table, or one that a file describes; None where it is
    neither."""
    if name.startswith(PREFIX) and name != PREFIX:
        return described(name)
    return catalogue.get(name)
