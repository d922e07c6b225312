"""Flutterwave's v3 API as an offramp: `client` moves money, `translate` holds the tables from its
words to our outcomes, `amounts` its numbers, and `api` the envelope around every answer."""

from services.providers.adapters.flutterwave.client import Flutterwave
from services.providers.adapters.flutterwave.settings import FlutterwaveSettings
from services.providers.adapters.kit.registration import Registration

ADAPTER = Registration(
    settings=FlutterwaveSettings, capabilities=Flutterwave.capabilities, open=Flutterwave
)

__all__ = ["ADAPTER", "Flutterwave", "FlutterwaveSettings"]
