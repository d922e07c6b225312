"""The phases of the load: clients that come at a given rate, last questions until everything is
known, and every webhook once more. The clients' actions are in clients; nothing is checked here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import aiohttp

from tests.chaos.books import InboxEvent
from tests.chaos.client import TIMEOUT_SECONDS, Client
from tests.chaos.clients import Clients, Keyed, Known, events_call
from tests.chaos.history import INFO, History
from tests.chaos.operators import Operators

CLIENTS = 24
REPLAYS_AT_ONCE = 8
# So often is a question asked again until it is answered for good.
FINAL_TRIES = 20
# The time for requests that began only at the end.
SETTLE_SECONDS = 5
ENDS = {
    *("COMPLETED", "REFUNDED", "FAILED", "CANCELLED", "EXPIRED"),
    *("ACTION_REQUIRED", "RETURNED", "PARTLY_REFUNDED", "ON_HOLD"),
}


class Driver:
    """All load of one run."""

    def __init__(
        self,
        rest_url: str,
        history: History,
        rng: Random,
        receiver_url: str,
        rate_per_second: float,
        *,
        webhook_secrets: Mapping[str, str],
        operators_url: str = "",
        operators: Mapping[str, str] | None = None,
        simulator_url: str = "",
        misstated_share: float = 0.0,
        actions_min: int = 0,
    ) -> None:
        """The operators, with their keys, act at their listener where there is one. So many
        payments more ask their offramp for a false amount."""
        # Set after so many actions, which a slow machine needs longer for.
        self.has_acted = asyncio.Event()
        self._actions_left = actions_min
        self._rest_url = rest_url
        self._history = history
        self._rng = rng
        self._rate = rate_per_second
        self._clients = Clients(rng, receiver_url, webhook_secrets, misstated_share)
        self._operators = Operators(
            operators_url, operators or {}, rng, self._clients.payments, simulator_url
        )
        # So often the one who comes is an operator.
        self._operators_share = 0.25 if operators else 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def endpoint(self) -> tuple[str, str] | None:
        """The merchant's endpoint, once it is registered: its id and its secret."""
        return self._clients.endpoint

    async def run(self, stop: asyncio.Event) -> None:
        """Loads the mesh until a signal to stop, then waits for the requests under way."""
        async with self._connected():
            await self._clients.register("merchant")
            while not stop.is_set():
                if self._actions_left <= 0:
                    self.has_acted.set()
                if len(self._tasks) < CLIENTS:
                    self._actions_left -= 1
                    task = asyncio.create_task(self._act())
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                await _pause(stop, self._rng.expovariate(self._rate))
            await asyncio.gather(*self._tasks)

    async def _act(self) -> None:
        if self._rng.random() < self._operators_share:
            await self._operators.act(f"o{self._rng.getrandbits(32):08x}")
        else:
            await self._clients.act()

    async def final_reads(self) -> None:
        """Asks what nobody knows until it is known, then every key and payment once more."""
        self._history.epoch = "final"
        clients = self._clients
        async with self._connected():
            if clients.endpoint is None:
                await clients.register("final")
            await self._operators.go_home()
            # An event that was taken is not sent again before the audit: it might have been lost.
            hints = [hint for hint in clients.hints.values() if not hint.answered]
            await _spread(self._ask_again, [*clients.keyed.values(), *hints])
            await self._settled([k for k in clients.payments.values() if k.status not in ENDS])
            await _spread(self._last_look, list(clients.payments.values()))

    async def see_to_holds(self) -> None:
        """Operators end the holds that are left, where they can know how."""
        async with self._connected():
            await self._operators.see_to_holds()

    async def replay_webhooks(self, rng: Random, inbox: Sequence[InboxEvent] = ()) -> None:
        """Sends every event of the inbox, and every hint, twice more in random order."""
        self._history.epoch = "replay"
        calls = [keyed.call for keyed in self._clients.hints.values()]
        calls += [self._clients.again(event) for event in inbox]
        twice = calls * 2
        rng.shuffle(twice)
        async with self._connected():
            # As a provider would: a stream of events, and not a flood.
            await _spread(self._clients.send_signed_again, twice, at_once=REPLAYS_AT_ONCE)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(
            self._rest_url,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            connector=aiohttp.TCPConnector(limit=0),
        ) as session:
            self._clients.http = self._operators.http = Client(session, self._history)
            yield

    async def _ask_again(self, keyed: Keyed) -> None:
        """Until an answer is definite; for a key that was answered, once more."""
        call = keyed.call
        for _ in range(FINAL_TRIES):
            if call.f == "webhook":
                answered = await self._clients.send_signed_again(call)
            elif call.f in ("refund", "correct") and keyed.answered:
                # Refused then, it might be taken now, and be a new one.
                return
            else:
                answered = await self._clients.send_keyed("final", call)
            if answered.type != INFO:
                return
            await asyncio.sleep(0.5)

    async def _settled(self, waiting: Sequence[Known]) -> None:
        """Waits as long as payments come to their ends: some may have been made only now."""
        before = len(waiting) + 1
        while waiting and len(waiting) < before:
            before = len(waiting)
            await asyncio.sleep(SETTLE_SECONDS)
            await _spread(lambda known: self._clients.look("final", known), waiting)
            now = (self._clients.payments[known.payment_id] for known in waiting)
            waiting = [known for known in now if known.status not in ENDS]

    async def _last_look(self, known: Known) -> None:
        await self._clients.look("final", known)
        await self._clients.http.send(events_call(known.payment_id), "final")


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


async def _spread(
    action: Callable[[Any], Awaitable[Any]], items: Sequence[Any], at_once: int = CLIENTS
) -> None:
    """The action on every item, some at once."""
    places = asyncio.Semaphore(at_once)

    async def one(item: Any) -> None:
        async with places:
            await action(item)

    await asyncio.gather(*(one(item) for item in items))
