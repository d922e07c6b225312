"""Stripe as an onramp: `client` speaks with it, `translate` holds the tables from its words to our
outcomes, `amounts` its idea of a smallest unit."""

from services.providers.adapters.stripe.client import Stripe, StripeSettings

__all__ = ["Stripe", "StripeSettings"]
