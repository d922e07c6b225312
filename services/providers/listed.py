"""The nouns of a provider's list of our operations, and the form by which one is known as ours."""

import re
from dataclasses import dataclass
from datetime import datetime

from services.providers.domain import Kind
from services.shared.ids import Prefix

_KINDS = "|".join(kind.value for kind in Kind)
_OUR_KEY = re.compile(rf"{Prefix.PAYMENT}_[0-9a-z]{{26}}-({_KINDS})-[0-9]+", re.ASCII)


def is_ours(key: str) -> bool:
    """Whether a name at a provider is a key of ours, by its form."""
    return _OUR_KEY.fullmatch(key) is not None


@dataclass(frozen=True, kw_only=True)
class OperationQuery:
    """A question for one page of our operations of a kind."""

    kind: Kind
    since: datetime
    page: str = ""
    # The keys that an answer may name whose list has only a digest of them.
    expected_keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ListedOperation:
    """One operation of ours, as its provider lists it."""

    # Empty where the list has only a digest of it, and none of the expected keys fits.
    key: str
    provider_reference: str
    # By the provider's own clock; None where it does not say.
    created_at: datetime | None
    # The text of payments that came with it, where the provider keeps it.
    recovery: str = ""


@dataclass(frozen=True, kw_only=True)
class OperationPage:
    """A page of them, the newest first."""

    operations: tuple[ListedOperation, ...]
    # The name of the one after it; empty where there is none.
    next_page: str = ""
