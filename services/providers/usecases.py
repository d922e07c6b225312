"""The verbs of the service: carry operations to their providers, ask what became of them, read the
events of providers. One operation never fails another: whatever goes wrong with it is its result.
The protection of each provider is in protection."""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from services.providers.admission import Admission, LocalAdmission
from services.providers.breaker import Breaker, BreakerPolicy
from services.providers.claims import Claims
from services.providers.domain import (
    Kind,
    Operation,
    OperationResult,
    ProviderNotFound,
    Webhook,
    WebhookEvent,
    unknown,
)
from services.providers.limits import Gate, Limits
from services.providers.listing import Listing
from services.providers.metrics import WEBHOOKS
from services.providers.operation_lists import OperationLists
from services.providers.ports import Adapter, Offramp, Onramp, Refunder
from services.providers.protection import Call, Guard, Provider
from services.providers.resolving import Resolving
from services.shared import tracing
from services.shared.deployment import Deployment
from services.shared.errors import DomainError, unexpected
from services.shared.log import get_logger
from services.shared.telemetry import trace_id_var

TIMEOUT_DEFAULT = timedelta(seconds=10)
TIMEOUT_MAX = timedelta(seconds=30)
UNSUPPORTED = "provider_unsupported"

Work = Callable[[Operation, float], Awaitable[OperationResult]]


class Providers:
    """All registered providers behind one interface."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        *,
        deployment: Deployment = Deployment.LIVE,
        limits: Mapping[str, Limits] | None = None,
        policy: BreakerPolicy | None = None,
        admission: Callable[[Gate, Breaker], Admission] = LocalAdmission,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limits` are by provider; `monotonic` is the clock of breakers and rate caps."""
        self.adapters = adapters
        self.deployment = deployment
        self._guards: dict[tuple[str, Kind], Guard] = {}
        gates = {name: Gate((limits or {}).get(name, Limits()), monotonic) for name in adapters}
        self.resolving = Resolving(adapters, gates)
        self.listing = Listing(adapters, gates)
        self.claims = Claims(adapters, gates)
        self.operation_lists = OperationLists(adapters, gates)
        for name, adapter in adapters.items():
            gate = gates[name]
            for kind, call in _methods(adapter):
                self._guards[name, kind] = Guard(
                    Provider(name, kind, call, adapter.look_up),
                    Breaker(policy or BreakerPolicy(), monotonic),
                    gate,
                    admission,
                )

    def breakers(self) -> Mapping[tuple[str, Kind], Breaker]:
        """The breaker of each kind of operation at each provider, to look at."""
        return {place: guard.breaker for place, guard in self._guards.items()}

    def execute(
        self,
        operations: Sequence[Operation],
        allowed: timedelta | None,
        send_before: datetime | None = None,
    ) -> AsyncGenerator[OperationResult, None]:
        """Sends each operation under its key; yields each result as soon as it is known.

        `allowed` is the time one operation may take; no later answer counts. None is sent from
        `send_before` on.
        """
        return self._each(operations, partial(self._send, send_before=send_before), allowed)

    def look_up(
        self, operations: Sequence[Operation], allowed: timedelta | None
    ) -> AsyncGenerator[OperationResult, None]:
        """Asks each operation's provider what became of it; moves no money."""
        return self._each(operations, self._ask, allowed)

    def read_webhook(self, provider: str, webhook: Webhook) -> WebhookEvent:
        """The content of the webhook, once its signature is verified.

        Raises ProviderNotFound, WebhookSignatureInvalid, WebhookTimestampOutOfRange,
        WebhookEventTypeUnknown, Invalid.
        """
        adapter = self.adapters.get(provider)
        if adapter is None:
            raise ProviderNotFound(provider=provider[:64])
        # Without regard to the caller: only an event that moves no money may come without a
        # signature.
        unsigned = webhook.allow_unsigned and self.deployment is Deployment.SANDBOX
        try:
            event = adapter.read_webhook(replace(webhook, allow_unsigned=unsigned))
        except DomainError as refusal:
            WEBHOOKS.labels(provider, refusal.error_reason).inc()
            raise
        WEBHOOKS.labels(provider, "READ").inc()
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

    def read_webhooks(
        self, webhooks: Iterable[tuple[str, Webhook]]
    ) -> Sequence[WebhookEvent | DomainError]:
        """The content of each webhook, in order, or its refusal; a refused one does not fail the
        others."""
        return [self._read_apart(provider, webhook) for provider, webhook in webhooks]

    def _read_apart(self, provider: str, webhook: Webhook) -> WebhookEvent | DomainError:
        # Its own line in the log belongs to the call that brought it.
        token = trace_id_var.set(webhook.trace_id or trace_id_var.get())
        try:
            return self.read_webhook(provider, webhook)
        except DomainError as error:
            return error
        except Exception:  # noqa: BLE001 - its neighbours are to be read all the same
            get_logger().exception("webhook_not_readable", provider=provider[:64])
            return unexpected()
        finally:
            trace_id_var.reset(token)

    async def _each(
        self, operations: Sequence[Operation], work: Work, allowed: timedelta | None
    ) -> AsyncGenerator[OperationResult, None]:
        within = min(allowed or TIMEOUT_DEFAULT, TIMEOUT_MAX)
        tasks = [asyncio.create_task(_one(one, work, within)) for one in operations]
        try:
            for next_done in asyncio.as_completed(tasks):
                yield await next_done
        finally:
            # A caller who went away leaves no work behind; the key makes asking again harmless.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(
        self, operation: Operation, within_seconds: float, *, send_before: datetime | None
    ) -> OperationResult:
        guard = self._guards.get((operation.provider, operation.kind))
        if guard is None:
            # Somebody may have sent it once; that we no longer can proves nothing about it.
            message = "no such provider for this kind of operation"
            return unknown(operation.key, UNSUPPORTED, message)
        return await guard.send(operation, within_seconds, send_before)

    async def _ask(self, operation: Operation, within_seconds: float) -> OperationResult:
        guard = self._guards.get((operation.provider, operation.kind))
        if guard is None:
            return unknown(operation.key, UNSUPPORTED, "nobody here can ask this provider")
        return await guard.ask(operation, within_seconds)


def _methods(adapter: Adapter) -> Iterator[tuple[Kind, Call]]:
    """The operations that the adapter takes, and the method of each."""
    kinds = adapter.capabilities.kinds
    if Kind.COLLECTION in kinds and isinstance(adapter, Onramp):
        yield Kind.COLLECTION, adapter.start_collection
    if Kind.PAYOUT in kinds and isinstance(adapter, Offramp):
        yield Kind.PAYOUT, adapter.send_payout
    if Kind.REFUND in kinds and isinstance(adapter, Refunder):
        yield Kind.REFUND, adapter.refund


async def _one(operation: Operation, work: Work, within: timedelta) -> OperationResult:
    if operation.trace_id:
        # Each operation is a task of its own, so this reaches its own log lines only.
        trace_id_var.set(operation.trace_id)
    started, began = time.monotonic(), time.time_ns()
    result = await work(operation, within.total_seconds())
    get_logger().info(
        "operation",
        provider=operation.provider,
        kind=operation.kind.name,
        key=operation.key,
        transaction_id=operation.transaction_id,
        outcome=result.outcome.name,
        failure_code=result.failure.code if result.failure else "",
        provider_reference=result.provider_reference,
        milliseconds=round((time.monotonic() - started) * 1000, 2),
    )
    tracing.record(
        f"provider {operation.kind.value}",
        operation.trace_id,
        began=began,
        transaction_id=operation.transaction_id,
        provider=operation.provider,
        outcome=result.outcome.name,
    )
    return result
