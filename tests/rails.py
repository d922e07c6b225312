"""The rails that the adapters declare, as payments has them."""

from collections.abc import Mapping
from functools import cache

from services.payments.model.attempt import Capabilities
from services.providers.adapters import ADAPTERS
from tests.makers import make_capabilities


@cache
def declared_rails() -> Mapping[str, Capabilities]:
    """The capabilities of every provider, with its own rails."""
    return {
        name: make_capabilities(name, rails=ADAPTERS[name].capabilities.rails) for name in ADAPTERS
    }


@cache
def any_rails() -> Mapping[str, Capabilities]:
    """The same providers, each of them paying everybody every amount."""
    return {name: make_capabilities(name) for name in ADAPTERS}
