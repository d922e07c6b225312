"""Paystack as an offramp: `client` speaks with it, `translate` holds the tables from its words to
our outcomes."""

from services.providers.adapters.paystack.client import Paystack, PaystackSettings, sign

__all__ = ["Paystack", "PaystackSettings", "sign"]
