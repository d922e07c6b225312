"""The verbs of the service: carry operations to their providers, ask what became of them, read what
providers tell us. One operation never fails another: whatever goes wrong with it is its result."""

import asyncio
import time
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from services.providers.domain import (
    Kind,
    Operation,
    OperationResult,
    ProviderNotFound,
    Webhook,
    WebhookEvent,
    unknown,
)
from services.providers.ports import Adapter, Offramp, Onramp
from services.shared.log import get_logger
from services.shared.telemetry import trace_id_var

# More at once would only make a slow provider slower.
CONCURRENCY_PER_PROVIDER = 64
TIMEOUT_DEFAULT = timedelta(seconds=10)
TIMEOUT_MAX = timedelta(seconds=30)
UNSUPPORTED = "provider_unsupported"

Work = Callable[[Operation], Awaitable[OperationResult]]


class Providers:
    """All registered providers behind one door."""

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self.adapters = adapters
        self._slots = {name: asyncio.Semaphore(CONCURRENCY_PER_PROVIDER) for name in adapters}

    def execute(
        self, operations: Sequence[Operation], allowed: timedelta | None
    ) -> AsyncGenerator[OperationResult, None]:
        """Sends each operation under its key; yields each result as soon as it is known.

        `allowed` is the time one operation may take; no later answer counts.
        """
        return self._each(operations, self._send, allowed)

    def look_up(
        self, operations: Sequence[Operation], allowed: timedelta | None
    ) -> AsyncGenerator[OperationResult, None]:
        """Asks each operation's provider what became of it; changes nothing."""
        return self._each(operations, self._ask, allowed)

    def read_webhook(self, provider: str, webhook: Webhook) -> WebhookEvent:
        """What the webhook says, once its signature is verified.

        Raises ProviderNotFound, WebhookSignatureInvalid, WebhookTimestampOutOfRange,
        WebhookEventTypeUnknown, Invalid.
        """
        adapter = self.adapters.get(provider)
        if adapter is None:
            raise ProviderNotFound(provider=provider[:64])
        event = adapter.read_webhook(webhook)
        get_logger().info(
            "webhook_read",
            provider=provider,
            event_id=event.event_id,
            event_type=event.event_type,
            transaction_id=event.transaction_id,
            outcome=event.outcome.name,
            signed=event.signed,
        )
        return event

    async def _each(
        self, operations: Sequence[Operation], work: Work, allowed: timedelta | None
    ) -> AsyncGenerator[OperationResult, None]:
        within = min(allowed or TIMEOUT_DEFAULT, TIMEOUT_MAX)
        tasks = [asyncio.create_task(self._one(one, work, within)) for one in operations]
        try:
            for next_done in asyncio.as_completed(tasks):
                yield await next_done
        finally:
            # A caller who went away leaves no work behind; the key makes asking again harmless.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, operation: Operation, work: Work, within: timedelta) -> OperationResult:
        if operation.trace_id:
            # Each operation is a task of its own, so this reaches its own log lines only.
            trace_id_var.set(operation.trace_id)
        started = time.monotonic()
        try:
            async with asyncio.timeout(within.total_seconds()):
                result = await work(operation)
        except TimeoutError:
            result = unknown(operation.key, "timeout", "no answer in time")
        except Exception as error:  # noqa: BLE001  Whatever an adapter did, money may have moved.
            # The frames say where; an exception's own text may quote a request and its key.
            get_logger().error(
                "adapter_error",
                provider=operation.provider,
                key=operation.key,
                error=type(error).__name__,
                frames=traceback.format_tb(error.__traceback__),
            )
            result = unknown(operation.key, "adapter_error", "the adapter failed; see its log")
        _log(operation, result, time.monotonic() - started)
        return result

    async def _send(self, operation: Operation) -> OperationResult:
        adapter = self.adapters.get(operation.provider)
        if operation.kind is Kind.COLLECTION and isinstance(adapter, Onramp):
            async with self._slots[operation.provider]:
                return await adapter.start_collection(operation)
        if operation.kind is Kind.PAYOUT and isinstance(adapter, Offramp):
            async with self._slots[operation.provider]:
                return await adapter.send_payout(operation)
        # Not a failure: the key may have been sent before its adapter was taken away.
        return unknown(operation.key, UNSUPPORTED, "nobody here can send to this provider")

    async def _ask(self, operation: Operation) -> OperationResult:
        adapter = self.adapters.get(operation.provider)
        if adapter is None or operation.kind not in adapter.capabilities.kinds:
            return unknown(operation.key, UNSUPPORTED, "nobody here can ask this provider")
        async with self._slots[operation.provider]:
            return await adapter.look_up(operation)


def _log(operation: Operation, result: OperationResult, seconds: float) -> None:
    get_logger().info(
        "operation",
        provider=operation.provider,
        kind=operation.kind.name,
        key=operation.key,
        transaction_id=operation.transaction_id,
        outcome=result.outcome.name,
        failure_code=result.failure.code if result.failure else "",
        provider_reference=result.provider_reference,
        milliseconds=round(seconds * 1000, 2),
    )
