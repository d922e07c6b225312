"""The port of an adapter: three functions for every provider, one for its role, and four that it
may lack. An adapter answers with values; only an event that it did not expect leaves it as an
exception."""

from datetime import datetime
from typing import Protocol, runtime_checkable

from services.providers.domain import (
    Capabilities,
    Dispute,
    EventPage,
    Holder,
    Operation,
    OperationResult,
    Webhook,
    WebhookEvent,
)
from services.providers.listed import OperationPage, OperationQuery
from services.shared.recipients import Recipient


class Adapter(Protocol):
    """Our side of one provider."""

    capabilities: Capabilities

    async def look_up(self, operation: Operation) -> OperationResult:
        """Asks what became of an operation, by our key or the provider's id. Moves no money."""
        ...

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        """Verifies a webhook over its raw bytes and says what it means.

        Raises WebhookSignatureInvalid, WebhookTimestampOutOfRange, WebhookEventTypeUnknown,
        Invalid.
        """
        ...


@runtime_checkable
class Onramp(Adapter, Protocol):
    """A provider that collects money for us."""

    async def start_collection(self, operation: Operation) -> OperationResult:
        """Collects the amount under the operation's key; the same key never collects twice."""
        ...


@runtime_checkable
class Offramp(Adapter, Protocol):
    """A provider that pays money out for us."""

    async def send_payout(self, operation: Operation) -> OperationResult:
        """Pays the amount out under the operation's key; the same key never pays twice."""
        ...


@runtime_checkable
class Refunder(Adapter, Protocol):
    """An onramp that gives collections back, in whole or in part."""

    async def refund(self, operation: Operation) -> OperationResult:
        """Gives the amount back under the operation's key; the same key never refunds twice."""
        ...


@runtime_checkable
class Resolver(Adapter, Protocol):
    """A provider that knows under which name an account is held."""

    async def resolve(self, recipient: Recipient, currency: str) -> Holder:
        """Asks for the account's holder. Moves no money."""
        ...


@runtime_checkable
class EventLister(Adapter, Protocol):
    """A provider that keeps its events and lists them; its record declares `lists_events`."""

    async def list_events(self, since: datetime | None, page: str) -> EventPage:
        """One page of the events since then that only a webhook would bring, under the ids that
        their webhooks have.

        Raises Invalid where the provider does not know the page, Unavailable where it does not
        answer.
        """
        ...


@runtime_checkable
class DisputeKeeper(Adapter, Protocol):
    """A provider that can be asked about a claim; its record declares `looks_up_disputes`."""

    async def look_up_dispute(self, provider_reference: str) -> Dispute | None:
        """The claim as it stands now; None where the provider has none of this id. Moves no money.

        Raises Unavailable where the provider does not answer.
        """
        ...


@runtime_checkable
class OperationLister(Adapter, Protocol):
    """A provider that lists our operations by their time; its record declares
    `lists_operations`."""

    async def list_operations(self, query: OperationQuery) -> OperationPage:
        """One page of our operations, the newest first. Moves no money.

        Raises Invalid where the provider does not know the page, Unavailable where it does not
        answer.
        """
        ...
