"""The operators' search: the filters, and a page of what meets them. A query is an id, and finds
the payments that have it; a page looks at so many payments at the most."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.model.attempt import Capabilities, Step
from services.payments.model.attempt_key import parts_of
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Payment, State, UnreadablePayment
from services.payments.model.progress import ExpectedTime, expected_times
from services.shared.ids import Prefix, decode_id

# The kinds of id that a payment, or a part of it, has in public.
_PREFIXES = (Prefix.PAYMENT, Prefix.QUOTE, Prefix.REFUND, Prefix.DISPUTE)
_STEPS = frozenset(str(step) for step in Step)


@dataclass(frozen=True, kw_only=True)
class Sought:
    """Which payments to find; absent fields do not filter."""

    query: str = ""
    states: tuple[State, ...] = ()
    hold_reasons: tuple[HoldReason, ...] = ()
    overdue: bool = False
    provider: str | None = None
    corridor_id: str | None = None
    merchant_id: str | None = None
    amount_from_minor: int | None = None
    amount_to_minor: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    @property
    def public_id(self) -> tuple[Prefix, UUID] | None:
        """The id of ours that the query is; None where it is none."""
        for prefix in _PREFIXES:
            if found := decode_id(prefix, self.query):
                return prefix, found
        return None

    @property
    def payment_of_key(self) -> UUID | None:
        """The payment that the query names, where it is our key of an attempt."""
        parts = parts_of(self.query)
        return parts.payment_id if parts.step in _STEPS and parts.number else None


@dataclass(frozen=True, kw_only=True)
class FoundPage:
    """A page of payments, newest first."""

    payments: Sequence[Payment | UnreadablePayment]
    # The payment to go on before; None at the end.
    before: UUID | None = None
    # Set where a page ended before all were read: each payment created after it has been read.
    looked_until: datetime | None = None


class SearchStore(Protocol):
    """Finds payments of all merchants in the database."""

    async def page(
        self,
        sought: Sought,
        expected: Sequence[ExpectedTime],
        *,
        before: UUID | None,
        limit: int,
    ) -> FoundPage:
        """Up to `limit` payments that match, newest first; only those created before `before`."""
        ...


class Searching:
    """Finds payments; overdue ones by the times that the providers declare."""

    def __init__(
        self, store: SearchStore, declared: Callable[[], Mapping[str, Capabilities]]
    ) -> None:
        """declared gives the newest declarations of the providers."""
        self._store = store
        self._declared = declared

    async def page(self, sought: Sought, *, before: UUID | None, limit: int) -> FoundPage:
        """A page of the payments that match, newest first."""
        expected = expected_times(self._declared())
        return await self._store.page(sought, expected, before=before, limit=limit)
