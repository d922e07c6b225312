"""The parts that many tests of this service use: a capability record, an operation, a clock that
a test moves, and an onramp whose answers a test sets."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from services.providers.domain import (
    Capabilities,
    DuplicateReference,
    ErrorCaching,
    Kind,
    LookUpStrength,
    Operation,
    OperationResult,
    Outcome,
    Webhook,
    WebhookAuthentication,
    WebhookEvent,
)
from services.shared.money import Money
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import Rail
from services.shared.telemetry import trace_id_var

RAIL = Rail(
    recipient_kind=RecipientKind.WALLET,
    minimum=Money(1, "USD"),
    maximum=Money(10**12, "USD"),
    decimals=2,
)


def make_capabilities(**changes: Any) -> Capabilities:
    base = Capabilities(
        kinds=frozenset({Kind.COLLECTION}),
        key_lifetime=timedelta(hours=1),
        key_scope="account",
        error_caching=ErrorCaching.ERRORS_NOT_CACHED,
        duplicate_reference=DuplicateReference.REJECTS,
        success_final_after=timedelta(),
        webhook_authentication=WebhookAuthentication.BODY_SIGNATURE,
        definitive_failures=frozenset({"refused"}),
        look_up=LookUpStrength.STRONG,
        look_up_lag=timedelta(),
        event_is_evidence=False,
        expected={Kind.COLLECTION: timedelta(minutes=1)},
    )
    kinds = changes.get("kinds", base.kinds)
    changes.setdefault("expected", {kind: timedelta(minutes=1) for kind in kinds})
    if Kind.PAYOUT in kinds:
        changes.setdefault("rails", (RAIL,))
    return replace(base, **changes)


def make_operation(key: str = "one", **changes: Any) -> Operation:
    base = Operation(
        provider="fake",
        kind=Kind.COLLECTION,
        key=key,
        amount=Money(100, "USD"),
        transaction_id="pay_1",
    )
    return replace(base, **changes)


@dataclass
class FakeMonotonic:
    """Seconds that pass only when a test says so."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class FakeOnramp:
    """An onramp whose answers a test sets, and releases one by one."""

    # The answers to a send and a look-up, beside the key; an exception is raised.
    sends: OperationResult | Exception = field(
        default_factory=lambda: OperationResult(key="", outcome=Outcome.SUCCEEDED)
    )
    look_ups: OperationResult | Exception = field(
        default_factory=lambda: OperationResult(key="", outcome=Outcome.ABSENT)
    )
    # Where a key has a gate, its calls wait for it.
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    started: dict[str, asyncio.Event] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    running: int = 0
    running_max: int = 0
    capabilities: Capabilities = field(default_factory=make_capabilities)

    async def start_collection(self, operation: Operation) -> OperationResult:
        self.sent.append(operation.key)
        return await self._answer(operation, self.sends)

    async def look_up(self, operation: Operation) -> OperationResult:
        self.looked_up.append(operation.key)
        return await self._answer(operation, self.look_ups)

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        return WebhookEvent(event_id="evt", event_type="something")

    async def _answer(
        self, operation: Operation, answer: OperationResult | Exception
    ) -> OperationResult:
        self.traces.append(trace_id_var.get())
        self.running += 1
        self.running_max = max(self.running, self.running_max)
        try:
            if operation.key in self.started:
                self.started[operation.key].set()
            if operation.key in self.gates:
                await self.gates[operation.key].wait()
            await asyncio.sleep(0)
        finally:
            self.running -= 1
        if isinstance(answer, Exception):
            raise answer
        return replace(answer, key=operation.key)
