"""One simulator for a whole file of faults: turns them on and off over HTTP as anybody can, sorts
the webhooks that arrive by operation, and reads the book."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from services.providers.adapters import ADAPTERS
from services.providers.domain import (
    Operation,
    OperationResult,
    Outcome,
    Webhook,
    WebhookEvent,
    unknown,
)
from services.providers.ports import Adapter
from services.providers.simulator.faults.modes import Mode, Step
from tests.contract.cases import CASES, Case, send
from tests.contract.lab import Lab, running_lab
from tests.polling import until

# No test waits for a fault to end by itself: one of a few seconds lasts for an hour.
LONG = 3600
PARAMETERS = {
    Mode.KEY_TTL: {"seconds": 0},
    Mode.SLOW_LOOK_UP: {"seconds": LONG},
    Mode.LOOK_UP_LAG: {"seconds": LONG},
    Mode.LIST_LAG: {"seconds": LONG},
    Mode.LATE_FAIL: {"seconds": 0},
    Mode.LATE_SUCCESS: {"seconds": 0},
    Mode.FLAPPING: {"seconds": 0},
    Mode.LATE_EFFECT: {"seconds": LONG},
}
# The effects after which the payer's or the recipient's money is where it was before.
UNMOVED = {
    "action_required",
    "charge_declined",
    "intent_canceled",
    "intent_created",
    "payout_failed",
    "payout_returned",
}

every_adapter = pytest.mark.parametrize("case", [CASES[name] for name in ADAPTERS], ids=ADAPTERS)


@dataclass(frozen=True)
class Line:
    """One line of the book about an operation."""

    effect: str
    amount_minor: int
    currency: str

    @property
    def moved_money(self) -> bool:
        """True when money has moved, or may yet move."""
        return self.effect not in UNMOVED


@dataclass(frozen=True)
class Done:
    """A finished operation, and the provider's id of it."""

    result: OperationResult
    id: str


@dataclass
class Trial:
    """The simulator, its adapters, and the faults."""

    lab: Lab
    session: ClientSession
    # The events that have arrived and no test has read yet.
    waiting: list[Webhook] = field(default_factory=list)
    # The book as far as it was read.
    book: list[dict[str, Any]] = field(default_factory=list)

    @property
    def adapters(self) -> dict[str, Adapter]:
        """The registered adapters."""
        return self.lab.adapters

    async def strike(self, provider: str, mode: Mode, step: Step, **parameter: int) -> str:
        """Turns one mode on for one step; says why where it cannot happen there."""
        setting = {"probability": 1, "steps": [step.value], **parameter}
        async with self.session.put(
            f"{self.lab.url}/control/{provider}", json={"modes": {mode.value: setting}}
        ) as answer:
            said = await answer.text()
            impossible = said == f"{provider} has no {step.value}" or "cannot happen at" in said
            assert impossible or answer.status == 200, said
            return "" if answer.status == 200 else said

    async def heal(self, provider: str) -> None:
        """Turns everything off."""
        async with self.session.delete(f"{self.lab.url}/control/{provider}") as answer:
            assert answer.status == 204

    async def lines(self, key: str) -> list[Line]:
        """The book about an operation, and about what was done to end it."""
        url, query = f"{self.lab.url}/book", {"since": len(self.book)}
        async with self.session.get(url, params=query) as answer:
            self.book += await answer.json()
        return [
            Line(line["effect"], line["amount_minor"], line["currency"])
            for line in self.book
            if line["key"].startswith(key)
        ]

    async def done(self, operation: Operation) -> Done:
        """Sends the operation and asks until it has succeeded."""
        sent = await send(self.adapters[operation.provider], operation)
        result = await self._ended(operation, sent)
        assert result.outcome is Outcome.SUCCEEDED
        return Done(result, result.provider_reference)

    async def settled(self, operation: Operation) -> OperationResult:
        """The result of an engine: look up, then the same key again, then look up until it ends."""
        adapter = self.adapters[operation.provider]
        found = await adapter.look_up(operation)
        if found.outcome in (Outcome.ABSENT, Outcome.UNKNOWN):
            found = await send(adapter, operation)
        return await self._ended(operation, found)

    def arrived(self, key: str) -> int:
        """How many events about the operation have come and were not asked for."""
        while not self.lab.gateway.received.empty():
            self.waiting.append(self.lab.gateway.received.get_nowait()[1])
        return len([one for one in self.waiting if self._is_about(key, one)])

    async def next_event(self, operation: Operation) -> WebhookEvent:
        """The next event about the operation, as its adapter reads it."""
        while not self.arrived(operation.key):
            self.waiting.append(await self.lab.gateway.next())
        found = next(one for one in self.waiting if self._is_about(operation.key, one))
        self.waiting.remove(found)
        return self.adapters[operation.provider].read_webhook(found)

    async def next_keys(self, keys: set[str]) -> list[str]:
        """The keys in the order in which an event about each has come."""
        while not all(self.arrived(key) for key in keys):
            self.waiting.append(await self.lab.gateway.next())
        named = [[key for key in keys if self._is_about(key, one)] for one in self.waiting]
        return [key for found in named for key in found]

    def _is_about(self, key: str, webhook: Webhook) -> bool:
        """Whether it names our key, or the provider's own number of what the book has under it."""
        if key.encode() in webhook.body:
            return True
        lines = map(json.loads, self.lab.book_file.read_text().splitlines())
        numbers = {line["id"] for line in lines if line["key"] == key and line["id"].isdigit()}
        return any(f'"id": {number},'.encode() in webhook.body for number in numbers)

    async def _ended(self, operation: Operation, result: OperationResult) -> OperationResult:
        if result.outcome is not Outcome.PENDING:
            return result
        adapter = self.adapters[operation.provider]
        return await until(
            lambda: adapter.look_up(operation), lambda seen: seen.outcome is not Outcome.PENDING
        )


@asynccontextmanager
async def running_trial(book: Path) -> AsyncIterator[Trial]:
    """A simulator with this book, and nothing left behind."""
    async with running_lab(book) as lab, ClientSession() as session:
        yield Trial(lab, session)


async def cut_off(
    trial: Trial, adapter: Adapter, operation: Operation, effect: str
) -> OperationResult:
    """The result for a caller whose time runs out as soon as the effect is in the book."""
    sending = asyncio.create_task(send(adapter, operation))
    await until(
        lambda: trial.lines(operation.key),
        lambda book: any(line.effect == effect for line in book),
    )
    assert not sending.done()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    return unknown(operation.key, "timeout")


every_adapter = pytest.mark.parametrize("case", [CASES[name] for name in ADAPTERS], ids=ADAPTERS)


def named(value: Step | Mode) -> str:
    """The name of a parameter in a test's name."""
    return str(value.value)


async def strike(trial: Trial, case: Case, mode: Mode, step: Step) -> None:
    """Turns the mode on at one step only; skips where it cannot happen."""
    if reason := await trial.strike(case.provider, mode, step, **PARAMETERS.get(mode, {})):
        pytest.skip(reason)


def agrees(case: Case, operation: Operation, result: OperationResult, book: list[Line]) -> None:
    """The two things that an adapter must never say, and the one that the book must."""
    effects = [line for line in book if line.effect == case.effect]
    amount = operation.amount
    assert set(effects) <= {Line(case.effect, amount.amount_minor, amount.currency)}
    if result.outcome is Outcome.SUCCEEDED:
        assert result.amount == amount
        assert len(effects) == 1
    if result.outcome in (Outcome.FAILED, Outcome.REFUSED):
        assert not book or not book[-1].moved_money
