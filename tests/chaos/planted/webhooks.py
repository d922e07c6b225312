"""Bugs in webhooks, those that come and those that go."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from pydantic import SecretStr

from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.store import inbox
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_out.deliverer import Deliverer
from services.payments.webhooks_out.delivery import Delivery, DeliveryState, TryResult
from services.providers.adapters.stripe import client as stripe
from services.providers.adapters.stripe import translate
from services.providers.domain import Webhook, WebhookEvent
from tests.chaos.planted.plant import Patches

_later: set[asyncio.Task[Any]] = set()


def answered_before_kept(patches: Patches) -> None:
    """An event is acknowledged at once, and kept afterwards by whoever lives to do it."""

    async def receive(self: PostgresInbox, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        _do_later(original(self, arrivals))
        return [Receipt.ACCEPTED] * len(arrivals)

    original = patches.put(PostgresInbox, "receive", receive)


def _do_later(work: Coroutine[Any, Any, Any]) -> None:
    task = asyncio.create_task(work)
    _later.add(task)
    task.add_done_callback(_later.discard)


def orphans_ignored(patches: Patches) -> None:
    """An event about a payment that nobody knows is kept as one that needs nobody's attention."""
    patches.reword(inbox, "_RECEIVE", "THEN 'UNMATCHED'", "THEN 'IGNORED'")


def delivered_before_sent(patches: Patches) -> None:
    """An event counts as delivered before the merchant has answered."""

    async def attempt(self: Deliverer, delivery: Delivery, start_by: float) -> TryResult | None:
        done = TryResult(state=DeliveryState.DELIVERED, failures=delivery.failures)
        await self._outbox.settle([(delivery, done)])
        await original(self, delivery, start_by)
        return None

    original = patches.put(Deliverer, "_try", attempt)


def empty_secret_accepted(patches: Patches) -> None:
    """Stripe's secret is empty, which nobody refuses, and without one nothing is verified."""

    def init(self: stripe.Stripe, *parts: Any) -> None:
        original_init(self, *parts)
        self._webhook_secrets = (SecretStr(""),)

    def read_webhook(self: stripe.Stripe, webhook: Webhook) -> WebhookEvent:
        if any(secret.get_secret_value() for secret in self._webhook_secrets):
            return original_read(self, webhook)
        return translate.read_event(webhook.body)

    original_init = patches.put(stripe.Stripe, "__init__", init)
    original_read: Callable[[stripe.Stripe, Webhook], WebhookEvent] = patches.put(
        stripe.Stripe, "read_webhook", read_webhook
    )
