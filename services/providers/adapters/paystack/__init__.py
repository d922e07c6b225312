"""Paystack as an offramp: `client` speaks with it, `translate` holds the tables from its words to
our outcomes."""

from services.providers.adapters.kit.registration import Registration
from services.providers.adapters.paystack.client import Paystack, PaystackSettings, sign

ADAPTER = Registration(settings=PaystackSettings, capabilities=Paystack.capabilities, open=Paystack)

__all__ = ["ADAPTER", "Paystack", "PaystackSettings", "sign"]
