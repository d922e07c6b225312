"""Stripe as an onramp: `client` speaks with it, `translate` holds the tables from its words to our
outcomes, `amounts` its idea of a smallest unit."""

from services.providers.adapters.kit.registration import Registration
from services.providers.adapters.stripe.client import Stripe, StripeSettings

ADAPTER = Registration(settings=StripeSettings, capabilities=Stripe.capabilities, open=Stripe)

__all__ = ["ADAPTER", "Stripe", "StripeSettings"]
