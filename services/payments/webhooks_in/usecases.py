"""Takes webhooks in: verified by providers, kept in the inbox, then answered. Those that come
together share a call to providers and a commit. The worker goes on with their payments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Counter

from services.payments.base.batcher import Batcher
from services.payments.mesh.ports import (
    IncomingWebhook,
    ListedEvent,
    ProviderEvent,
    Providers,
)
from services.payments.model.payment import PaymentNotFound
from services.payments.model.timing import RECEIVE_EVERY_SECONDS
from services.payments.webhooks_in.ports import Arrival, Inbox, Receipt
from services.shared.errors import DomainError
from services.shared.ids import Prefix, decode_id
from services.shared.limits import BATCH_MAX_BYTES
from services.shared.log import get_logger
from services.shared.telemetry import trace_id_var

ORPHANS = Counter(
    "caravel_orphaned_events_total", "Verified events about no payment of ours.", ["provider"]
)

# The provider of the events at POST /api/webhooks, which has no provider in its path.
WALLET = "local_wallet"
# Bodies are a few KB, and of those that are not a batch holds no more than providers take.
BATCH_MAX = 48
# Each batch costs a call and a commit, whether large or small. Only a large one does not wait for a
# slow one.
PARALLEL, BESIDE_FROM = 2, 24

Received = tuple[Receipt, ProviderEvent]


@dataclass(frozen=True)
class _Taken:
    webhook: IncomingWebhook
    # Whether it is kept where there is no such payment, or refused.
    keep_unmatched: bool


class Webhooks:
    """Takes webhooks, many at once; each is answered for itself."""

    def __init__(
        self, providers: Providers, inbox: Inbox, *, sandbox: bool, waiting_max: int
    ) -> None:
        self._providers = providers
        self._inbox = inbox
        self._sandbox = sandbox
        self._batcher = Batcher[_Taken, Received](
            self._receive,
            name="webhooks",
            largest_batch=BATCH_MAX,
            largest_bytes=BATCH_MAX_BYTES,
            size=_size,
            parallel=PARALLEL,
            beside_from=BESIDE_FROM,
            waiting_max=waiting_max,
            every_seconds=RECEIVE_EVERY_SECONDS,
        )

    async def receive_event(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Takes a local wallet's event. Raises PaymentNotFound and what ReadWebhooks refuses."""
        webhook = _incoming(WALLET, headers, body, allow_unsigned=self._sandbox)
        return await self._batcher.submit(_Taken(webhook, keep_unmatched=False))

    async def receive_provider_event(
        self, provider: str, headers: Mapping[str, str], body: bytes
    ) -> Received:
        """Takes a provider's own event. Raises what ReadWebhooks refuses."""
        webhook = _incoming(provider, headers, body, allow_unsigned=False)
        return await self._batcher.submit(_Taken(webhook, keep_unmatched=True))

    async def _receive(self, taken: Sequence[_Taken]) -> Sequence[Received | DomainError]:
        events = await self._providers.read_webhooks([one.webhook for one in taken])
        read = [_read(one, event) for one, event in zip(taken, events, strict=True)]
        arrivals = [one for one in read if isinstance(one, Arrival)]
        receipts = iter(await self._inbox.receive(arrivals) if arrivals else ())
        return [_answer(one, next(receipts)) if isinstance(one, Arrival) else one for one in read]


def _size(taken: _Taken) -> int:
    """Its bytes in a message: the body, the headers, and what names and lengths them."""
    webhook = taken.webhook
    headers = sum(2 * (len(name) + len(value)) + 16 for name, value in webhook.headers.items())
    return len(webhook.body) + headers + len(webhook.provider) + 256


def _incoming(
    provider: str, headers: Mapping[str, str], body: bytes, *, allow_unsigned: bool
) -> IncomingWebhook:
    return IncomingWebhook(
        provider=provider,
        headers=headers,
        body=body,
        allow_unsigned=allow_unsigned,
        trace_id=trace_id_var.get(),
    )


def _read(taken: _Taken, event: ProviderEvent | DomainError) -> Arrival | Received | DomainError:
    """The event to keep, or the answer where nothing is kept."""
    if isinstance(event, DomainError):
        return event
    if taken.keep_unmatched and event.step is None and event.dispute is None:
        return Receipt.IGNORED, event
    # A signed event is kept, whichever way it came in: only the provider can have sent it.
    arrival = _arrival(event, taken.webhook.body, taken.keep_unmatched or event.answer.signed)
    if arrival.payment_id is None and not arrival.keep_unmatched:
        return PaymentNotFound(transaction_id=event.transaction_id)
    return arrival


def read_listed(listed: ListedEvent) -> Arrival | None:
    """The arrival of an event that its provider has listed; None where nothing is kept of it, as of
    its webhook."""
    event = listed.read
    if isinstance(event, DomainError) or (event.step is None and event.dispute is None):
        return None
    return _arrival(event, listed.body, keep_unmatched=True)


def _arrival(event: ProviderEvent, body: bytes, keep_unmatched: bool) -> Arrival:
    payment_id = decode_id(Prefix.PAYMENT, event.transaction_id)
    return Arrival(event=event, payment_id=payment_id, body=body, keep_unmatched=keep_unmatched)


def _answer(arrival: Arrival, receipt: Receipt | PaymentNotFound) -> Received | DomainError:
    report_receipt(arrival, receipt)
    return receipt if isinstance(receipt, PaymentNotFound) else (receipt, arrival.event)


def report_receipt(arrival: Arrival, receipt: Receipt | PaymentNotFound) -> str:
    """Says where an event is about no payment of ours; gives the receipt's name."""
    if receipt is Receipt.ORPHANED:
        _report_orphan(arrival.event)
    return receipt.reason if isinstance(receipt, PaymentNotFound) else receipt.value


def _report_orphan(event: ProviderEvent) -> None:
    """Money may have moved without us: it is kept, listed for operators, and said here."""
    ORPHANS.labels(event.provider).inc()
    amount = event.answer.amount
    get_logger().warning(
        "event_orphaned",
        provider=event.provider,
        event_id=event.event_id,
        event_type=event.event_type,
        transaction_id=event.transaction_id,
        outcome=event.answer.outcome,
        amount=f"{amount} {amount.currency}" if amount else "",
    )
