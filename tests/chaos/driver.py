"""The load: many clients that create, replay, cancel, refund, read, and lie, at a given rate. What
they are told goes into the history; nothing is judged here. Bodies come from orders, forged events
from hostile."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.chaos.books import InboxEvent
from tests.chaos.client import TIMEOUT_SECONDS, Call, Client
from tests.chaos.history import INFO, OK, History, Record
from tests.chaos.hostile import Hostile, Subject
from tests.chaos.orders import Orders, unknown_id

CLIENTS = 24
# So often is a question asked again until it is answered for good.
FINAL_TRIES = 20
ENDS = {"COMPLETED", "REFUNDED", "FAILED", "CANCELLED", "EXPIRED", "RETURNED", "ON_HOLD"}
PAYMENTS = "/api/payments"


@dataclass
class Known:
    """A payment that some client was told of."""

    payment_id: str
    amount_usd: str
    currency: str
    payout_amount: str
    status: str = "PENDING"

    @property
    def subject(self) -> Subject:
        """What an event would say of it."""
        return Subject(
            self.payment_id, _minor(self.amount_usd), self.currency, _minor(self.payout_amount)
        )


@dataclass(frozen=True)
class Keyed:
    """A request under a key, to be asked again."""

    call: Call
    answered: bool


class Driver:
    """All clients of one run."""

    def __init__(
        self,
        rest_url: str,
        history: History,
        rng: Random,
        receiver_url: str,
        rate_per_second: float,
        *,
        webhook_secrets: Mapping[str, str],
    ) -> None:
        self._rest_url = rest_url
        self._history = history
        self._rng = rng
        self._receiver_url = receiver_url
        self._rate = rate_per_second
        self._orders = Orders(rng, run=f"chaos-{rng.getrandbits(24):06x}")
        self._hostile = Hostile(rng, webhook_secrets)
        self._client = 0
        self._payments: dict[str, Known] = {}
        self._keyed: dict[str, Keyed] = {}
        self._hints: dict[str, Keyed] = {}
        # The merchant's endpoint, once it is registered: its id and its secret.
        self.endpoint: tuple[str, str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._choices: Sequence[tuple[float, Callable[[str], Awaitable[None]]]] = (
            (24, self._create), (6, self._create_quoted), (5, self._create_twins),
            (8, self._create_and_cancel), (10, self._create_and_refund), (7, self._replay),
            (3, self._replay_changed), (12, self._get), (2, self._list), (5, self._events),
            (5, self._refund_rest), (6, self._refused), (5, self._forged), (4, self._hint),
            (1, self._get_unknown),
        )  # fmt: skip

    async def run(self, stop: asyncio.Event) -> None:
        """Loads the mesh until told to stop, then waits for what is under way."""
        async with self._session() as session:
            self._http = Client(session, self._history)
            await self._register(self._name())
            weights = [weight for weight, _ in self._choices]
            while not stop.is_set():
                _, action = self._rng.choices(self._choices, weights)[0]
                if len(self._tasks) < CLIENTS:
                    self._start(action)
                await _pause(stop, self._rng.expovariate(self._rate))
            await asyncio.gather(*self._tasks)

    async def final_reads(self) -> None:
        """Asks what nobody knows until it is known, then every key and payment once more."""
        self._history.epoch = "final"
        async with self._session() as session:
            self._http = Client(session, self._history)
            if self.endpoint is None:
                await self._register("final")
            await _spread(self._ask_again, [*self._keyed.values(), *self._hints.values()])
            await self._settled()
            await _spread(self._last_look, list(self._payments.values()))

    async def replay_webhooks(self, rng: Random, inbox: Sequence[InboxEvent] = ()) -> None:
        """Sends every event of the inbox, and every hint, twice more in random order."""
        self._history.epoch = "replay"
        calls = [keyed.call for keyed in self._hints.values()]
        calls += [
            self._hostile.signed(
                event.provider, event.body, event.event_id, event.payment_id, {"replay": True}
            )
            for event in inbox
        ]
        twice = calls * 2
        rng.shuffle(twice)
        async with self._session() as session:
            self._http = Client(session, self._history)
            await _spread(self._send_signed_anew, twice)

    # What the clients do during the load.

    async def _register(self, client: str) -> None:
        call = Call(
            f="endpoint",
            method="POST",
            path="/api/webhook-endpoints",
            body={"url": self._receiver_url},
            key=self._orders.key(),
        )
        answered = await self._http.send(call, client)
        if answered.type == OK:
            told = answered.answer
            self.endpoint = (told["endpoint_id"], told["secret"])

    async def _create(self, client: str) -> None:
        await self._pay(client, self._orders.payment())

    async def _create_quoted(self, client: str) -> None:
        body = self._orders.payment()
        asked = {name: body[name] for name in ("amount_usd", "destination_currency")}
        call = Call(f="quote", method="POST", path="/api/quotes", body=asked)
        offered = await self._http.send(call, client)
        if offered.type == OK:
            body["quote_id"] = offered.answer["quote_id"]
            await self._pay(client, body)

    async def _create_twins(self, client: str) -> None:
        call = _create_call(self._orders.key(), self._orders.payment())
        count = self._rng.randint(2, 6)
        await asyncio.gather(
            *(self._send_keyed(f"{client}.{number}", call) for number in range(count))
        )

    async def _create_and_cancel(self, client: str) -> None:
        if known := await self._pay(client, self._orders.payment()):
            await asyncio.sleep(self._rng.choice((0, 0.02, 0.1, 0.5, 2)))
            call = Call(
                f="cancel",
                method="POST",
                path=f"{PAYMENTS}/{known.payment_id}:cancel",
                body={},
                payment_id=known.payment_id,
            )
            await self._http.send(call, client)

    async def _create_and_refund(self, client: str) -> None:
        if known := await self._pay(client, self._orders.payment()):
            await asyncio.sleep(self._rng.choice((0.05, 0.2, 0.5, 1, 3)))
            await self._refund(client, known)

    async def _refund_rest(self, client: str) -> None:
        """Asks for what was left by a refund in parts, or of what came back."""
        open_ones = [k for k in self._payments.values() if k.status in ("REFUNDING", "RETURNED")]
        if open_ones:
            await self._refund(client, self._rng.choice(open_ones))

    async def _refund(self, client: str, known: Known) -> None:
        part = {"amount_usd": self._orders.part(known.amount_usd)}
        whole: dict[str, str] = {}
        body = part if self._rng.random() < 0.6 else whole
        call = _refund_call(self._orders.key(), known.payment_id, body)
        calls = [call] * self._rng.choice((1, 1, 2))
        if self._rng.random() < 0.3:
            calls.append(_refund_call(self._orders.key(), known.payment_id, part))
        await asyncio.gather(
            *(self._send_keyed(f"{client}.{number}", one) for number, one in enumerate(calls))
        )
        await self._look(client, known)

    async def _replay(self, client: str) -> None:
        if keyed := self._any(self._keyed):
            await self._send_keyed(client, keyed.call)

    async def _replay_changed(self, client: str) -> None:
        keyed = self._any(self._keyed)
        if keyed and keyed.call.f == "create" and keyed.answered:
            body = self._orders.changed(keyed.call.body)
            call = Call(
                f="create",
                method="POST",
                path=PAYMENTS,
                body=body,
                key=keyed.call.key,
                meta={"changed": True},
            )
            await self._http.send(call, client)

    async def _get(self, client: str) -> None:
        if known := self._any(self._payments):
            await self._look(client, known)

    async def _get_unknown(self, client: str) -> None:
        stranger = unknown_id(self._rng, "pay")
        call = Call(f="get", method="GET", path=f"{PAYMENTS}/{stranger}", payment_id=stranger)
        await self._http.send(call, client)

    async def _list(self, client: str) -> None:
        path = f"{PAYMENTS}?page_size={self._rng.randint(1, 10)}"
        await self._http.send(Call(f="list", method="GET", path=path), client)

    async def _events(self, client: str) -> None:
        if known := self._any(self._payments):
            await self._http.send(_events_call(known.payment_id), client)

    async def _refused(self, client: str) -> None:
        key, body = self._orders.refused()
        headers = {} if key is None else {"idempotency-key": quote(key, safe=" ")}
        call = Call(
            f="create",
            method="POST",
            path=PAYMENTS,
            body=body,
            key=key or None,
            headers=headers,
            meta={"refused": True},
        )
        await self._http.send(call, client)

    async def _forged(self, client: str) -> None:
        if known := self._any(self._payments):
            await self._http.send(self._hostile.forged(known.subject), client)

    async def _hint(self, client: str) -> None:
        if known := self._any(self._payments):
            call = self._hostile.hint(known.subject)
            answered = await self._http.send(call, client)
            self._hints[str(call.key)] = Keyed(call, answered.type != INFO)

    # How they do it.

    async def _pay(self, client: str, body: dict[str, Any]) -> Known | None:
        call = _create_call(self._orders.key(), body)
        answered = await self._send_keyed(client, call)
        if answered.type == INFO and self._rng.random() < 0.5:
            # As a client would: the same again, a moment later.
            await asyncio.sleep(self._rng.uniform(0.2, 3))
            answered = await self._send_keyed(client, call)
        return self._payments.get(answered.payment_id) if answered.type == OK else None

    async def _send_keyed(self, client: str, call: Call) -> Record:
        answered = await self._http.send(call, client)
        before = self._keyed.get(str(call.key))
        known = answered.type != INFO or bool(before and before.answered)
        self._keyed[str(call.key)] = Keyed(call, known)
        if answered.type == OK:
            self._learn(answered.answer)
        return answered

    async def _look(self, client: str, known: Known) -> None:
        path = f"{PAYMENTS}/{known.payment_id}"
        call = Call(f="get", method="GET", path=path, payment_id=known.payment_id)
        answered = await self._http.send(call, client)
        if answered.type == OK:
            self._learn(answered.answer)

    def _learn(self, told: Any) -> None:
        known = Known(
            told["transaction_id"],
            told["amount_usd"],
            told["destination_currency"],
            told["payout_amount"],
            told["status"],
        )
        self._payments[known.payment_id] = known

    def _start(self, action: Callable[[str], Awaitable[None]]) -> None:
        async def act() -> None:
            await action(self._name())

        task = asyncio.create_task(act())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _name(self) -> str:
        self._client += 1
        return f"c{self._client}"

    def _any(self, known: dict[str, Any]) -> Any:
        return self._rng.choice(list(known.values())) if known else None

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            self._rest_url,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            connector=aiohttp.TCPConnector(limit=0),
        )

    # What is done at the end.

    async def _ask_again(self, keyed: Keyed) -> None:
        """Until an answer is definite; for a key that was answered, once more."""
        call = keyed.call
        for _ in range(FINAL_TRIES):
            if call.f == "webhook":
                answered = await self._send_signed_anew(call)
            elif call.f == "refund" and keyed.answered:
                # Refused then, it might be taken now, and be a new refund.
                return
            else:
                answered = await self._send_keyed("final", call)
            if answered.type != INFO:
                return
            await asyncio.sleep(0.5)

    async def _settled(self) -> None:
        """Waits for payments that were made only now, for a minute at most."""
        for _ in range(60):
            waiting = [k for k in self._payments.values() if k.status not in ENDS]
            if not waiting:
                return
            await _spread(lambda known: self._look("final", known), waiting)
            await asyncio.sleep(1)

    async def _last_look(self, known: Known) -> None:
        await self._look("final", known)
        await self._http.send(_events_call(known.payment_id), "final")

    async def _send_signed_anew(self, call: Call) -> Record:
        provider = str(call.meta["provider"])
        fresh = self._hostile.signed(provider, call.body, str(call.key), call.payment_id, call.meta)
        return await self._http.send(fresh, "final")


def _create_call(key: str, body: dict[str, Any]) -> Call:
    return Call(f="create", method="POST", path=PAYMENTS, body=body, key=key)


def _refund_call(key: str, payment_id: str, body: dict[str, str]) -> Call:
    path = f"{PAYMENTS}/{payment_id}:refund"
    return Call(f="refund", method="POST", path=path, body=body, key=key, payment_id=payment_id)


def _events_call(payment_id: str) -> Call:
    path = f"{PAYMENTS}/{payment_id}/events"
    return Call(f="events", method="GET", path=path, payment_id=payment_id)


def _minor(amount: str) -> int:
    whole, _, part = amount.partition(".")
    return int(whole) * 100 + int(part or 0)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


async def _spread(action: Callable[[Any], Awaitable[Any]], items: Sequence[Any]) -> None:
    """The action on every item, some at once."""
    places = asyncio.Semaphore(CLIENTS)

    async def one(item: Any) -> None:
        async with places:
            await action(item)

    await asyncio.gather(*(one(item) for item in items))
