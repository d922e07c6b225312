"""The faults of events: none, several, in another order, wrongly signed, or before the answer. And
the provider that changes its mind: it announces one end, and some time later the other."""

import asyncio
import secrets
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from services.providers.simulator.faults.answer_faults import spoilt
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.webhooks import Event, Sender
from services.shared.env import SecretStr

# How long an event waits for others to be reordered with, and an answer for its event.
REORDER_SECONDS = 1
EVENT_FIRST_SECONDS = 5
# How often an operation that has ended ends once more, in the opposite way.
TURNS = {Mode.FLAPPING: 2, Mode.LATE_FAIL: 1, Mode.LATE_SUCCESS: 1}


class UnreliableSender(Sender):
    """A sender that fails as the control says."""

    def __init__(self, control: Control) -> None:
        super().__init__()
        self._control = control
        self._held: defaultdict[str, list[Event]] = defaultdict(list)
        self._expected: dict[tuple[str, str], asyncio.Event] = {}
        self._turned: Counter[tuple[str, str]] = Counter()

    def send(self, event: Event) -> None:
        """Takes the event and does with it what the active modes say; returns at once."""
        subject = self._control.subject(event.provider, event.key)
        self._turn_later(event, self._control.active(subject, Step.SETTLE))
        active = self._control.active(subject, Step.EVENT)
        if Mode.NO_WEBHOOK in active:
            return
        if not active:
            super().send(event)
            return
        body = spoilt(event.body, active, self._control.wire(event.provider))
        changed = _mis_signed(replace(event, body=body), active)
        for one in _copies(changed, active.get(Mode.DUPLICATE_WEBHOOK, 1)):
            if Mode.REORDER in active:
                self._hold(one, active[Mode.REORDER])
            else:
                super().send(one)

    @asynccontextmanager
    async def event_first(self, provider: str, key: str) -> AsyncIterator[None]:
        """Leaves only after the first event about the operation has arrived, for some seconds."""
        arrived = self._expected.setdefault((provider, key), asyncio.Event())
        try:
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(EVENT_FIRST_SECONDS):
                    await arrived.wait()
        finally:
            self._expected.pop((provider, key), None)

    async def _attempt(self, event: Event) -> bool:
        taken = await super()._attempt(event)
        if arrived := self._expected.get((event.provider, event.key)):
            arrived.set()
        return taken

    def _hold(self, event: Event, window: int) -> None:
        held = self._held[event.provider]
        held.append(event)
        if len(held) >= window:
            self._release(event.provider)
        elif len(held) == 1:
            self._running.start(self._release_later(event))

    async def _release_later(self, event: Event) -> None:
        await asyncio.sleep(REORDER_SECONDS)
        if event in self._held[event.provider]:
            self._release(event.provider)

    def _release(self, provider: str) -> None:
        held = self._held.pop(provider, [])
        self._running.start(self._in_turn(held[::-1]))

    async def _in_turn(self, events: list[Event]) -> None:
        # One after the other, or the network would change their order again.
        for event in events:
            await self._deliver(event)

    def _turn_later(self, event: Event, active: dict[Mode, int]) -> None:
        operation = (event.provider, event.key)
        mode = next((mode for mode in TURNS if mode in active), None)
        if mode is not None and self._turned[operation] < TURNS[mode]:
            self._turned[operation] += 1
            self._running.start(self._turn(event, active[mode]))

    async def _turn(self, event: Event, seconds: int) -> None:
        await asyncio.sleep(seconds)
        turn = self._control.wire(event.provider).turn
        if turn is not None:
            await turn(event.key)


def _copies(event: Event, count: int) -> list[Event]:
    """The event, so many times under its id, and when repeated once more under a new one."""
    copies = [event] * max(1, count)
    if count > 1:
        new_id = f"{event.id.split('_')[0]}_{secrets.token_hex(12)}"
        named = event.body.get("id") == event.id
        body = {**event.body, "id": new_id} if named else event.body
        copies.append(replace(event, id=new_id, body=body))
    return copies


def _mis_signed(event: Event, active: dict[Mode, int]) -> Event:
    if Mode.BAD_SIGNATURE in active:
        forged = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
        event = replace(event, secret=SecretStr(forged))
    offset = active.get(Mode.FUTURE_TIMESTAMP, 0) - active.get(Mode.OLD_TIMESTAMP, 0)
    return replace(event, signed_seconds_off=offset)
