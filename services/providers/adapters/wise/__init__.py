"""Wise as an offramp: `client` moves money in four calls, `lists` reads the list of transfers,
`api` speaks HTTP, `translate` holds the tables from its words to our outcomes, `recipients` what it
wants to know of whom it pays."""

from services.providers.adapters.kit.registration import Registration
from services.providers.adapters.wise.client import Wise
from services.providers.adapters.wise.settings import WiseSettings

ADAPTER = Registration(settings=WiseSettings, capabilities=Wise.capabilities, open=Wise)

__all__ = ["ADAPTER", "Wise", "WiseSettings"]
