"""The actions of the load's clients: create, replay, cancel, correct, refund, read, and forge.
client writes the answers into the history; driver decides the times."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from tests.chaos.books import InboxEvent
from tests.chaos.client import Call, Client
from tests.chaos.history import INFO, OK, Record
from tests.chaos.hostile import Hostile, Subject
from tests.chaos.orders import Orders, unknown_id

PAYMENTS = "/api/payments"
# With money that has not gone back to the payer yet.
GIVING_BACK = ("REFUNDING", "PARTLY_REFUNDED", "RETURNED")
# How often a refund is asked for again where a worker has the payment, and how soon.
BUSY_TRIES, BUSY_SECONDS = 12, 0.4


@dataclass
class Known:
    """A payment that some client received."""

    payment_id: str
    amount_usd: str
    currency: str
    payout_amount: str
    status: str = "PENDING"

    @property
    def subject(self) -> Subject:
        """The content of an event about it."""
        return Subject(
            self.payment_id, _minor(self.amount_usd), self.currency, _minor(self.payout_amount)
        )


@dataclass(frozen=True)
class Keyed:
    """A request under a key, to be asked again."""

    call: Call
    answered: bool


class Clients:
    """All clients of one run, and what they know."""

    def __init__(
        self,
        rng: Random,
        receiver_url: str,
        webhook_secrets: Mapping[str, str],
        misstated_share: float,
    ) -> None:
        self._rng = rng
        self._receiver_url = receiver_url
        self._orders = Orders(rng, f"chaos-{rng.getrandbits(24):06x}", misstated_share)
        self._hostile = Hostile(rng, webhook_secrets)
        self._count = 0
        self.http: Client
        self.payments: dict[str, Known] = {}
        self.keyed: dict[str, Keyed] = {}
        self.hints: dict[str, Keyed] = {}
        # The merchant's endpoint, once it is registered: its id and its secret.
        self.endpoint: tuple[str, str] | None = None
        # Their actions, and how often.
        self._actions: Sequence[tuple[float, Callable[[str], Awaitable[None]]]] = (
            (24, self._create), (6, self._create_quoted), (5, self._create_duplicates),
            (8, self._create_and_cancel), (6, self._cancel_waiting),
            (10, self._create_and_refund), (7, self._replay),
            (3, self._replay_changed), (12, self._get), (2, self._list), (5, self._events),
            (4, self._refund_rest), (5, self._create_and_return), (6, self._refused),
            (8, self._create_and_correct), (5, self._correct_any),
            (8, self._forged), (10, self._hint), (1, self._get_unknown), (2, self._orphan),
        )  # fmt: skip

    async def act(self) -> None:
        """One client comes, does something, and goes."""
        weights = [weight for weight, _ in self._actions]
        [(_, action)] = self._rng.choices(self._actions, weights)
        self._count += 1
        await action(f"c{self._count}")

    async def register(self, client: str) -> None:
        call = Call(
            f="endpoint",
            method="POST",
            path="/api/webhook-endpoints",
            body={"url": self._receiver_url},
            key=self._orders.key(),
        )
        answered = await self.http.send(call, client)
        if answered.type == OK:
            shown = answered.answer
            self.endpoint = (shown["endpoint_id"], shown["secret"])

    async def _create(self, client: str) -> None:
        await self._pay(client, self._orders.payment())

    async def _create_quoted(self, client: str) -> None:
        body = self._orders.payment()
        asked = {name: body[name] for name in ("amount_usd", "destination_currency")}
        call = Call(f="quote", method="POST", path="/api/quotes", body=asked)
        offered = await self.http.send(call, client)
        if offered.type == OK:
            body["quote_id"] = offered.answer["quote_id"]
            await self._pay(client, body)

    async def _create_duplicates(self, client: str) -> None:
        call = _create_call(self._orders.key(), self._orders.payment())
        count = self._rng.randint(2, 6)
        await asyncio.gather(
            *(self.send_keyed(f"{client}.{number}", call) for number in range(count))
        )

    async def _create_and_cancel(self, client: str) -> None:
        if known := await self._pay(client, self._orders.payment()):
            await asyncio.sleep(self._rng.choice((0, 0.02, 0.1, 0.5, 2)))
            await self._cancel(client, known)

    async def _cancel_waiting(self, client: str) -> None:
        """Looks at payments without an answer, and cancels those that still wait."""
        waiting = [k for k in self.payments.values() if k.status == "PENDING"]
        for known in self._rng.sample(waiting, min(4, len(waiting))):
            await self.look(client, known)
            if self.payments[known.payment_id].status == "PENDING":
                await self._cancel(client, known)

    async def _cancel(self, client: str, known: Known) -> None:
        call = Call(
            f="cancel",
            method="POST",
            path=f"{PAYMENTS}/{known.payment_id}:cancel",
            body={},
            payment_id=known.payment_id,
        )
        await self.http.send(call, client)

    async def _create_and_refund(self, client: str) -> None:
        """As an impatient merchant: asked for again while the payout is on its way."""
        known = await self._pay(client, self._orders.payment())
        for _ in range(4):
            if known and known.status in ("PENDING", "PROCESSING", "SENT"):
                await asyncio.sleep(self._rng.choice((0.05, 0.2, 0.5, 1, 3)))
                await self._refund(client, known)
                known = self.payments[known.payment_id]

    async def _refund_rest(self, client: str) -> None:
        """Asks for what was left by a refund in parts, or of what came back."""
        open_ones = [k for k in self.payments.values() if k.status in GIVING_BACK]
        if open_ones:
            await self._refund(client, self._rng.choice(open_ones))

    async def _create_and_return(self, client: str) -> None:
        """A payout that comes back, and then its refund in parts that come at the same time."""
        body = {**self._orders.payment(), "payment_method": "pm_card_visa"}
        body = {**body, "reference": "sim:late_fail=1", "amount_usd": self._orders.plain_amount()}
        known = await self._pay(client, body)
        for _ in range(15):
            if known is None or known.status in ("RETURNED", "ON_HOLD"):
                break
            await asyncio.sleep(1)
            await self.look(client, known)
            known = self.payments[known.payment_id]
        if known and known.status == "RETURNED":
            await asyncio.gather(*(self._refund(f"{client}.{n}", known) for n in range(6)))

    async def _create_and_correct(self, client: str) -> None:
        """A recipient that cannot be paid, corrected as soon as that is known: twice at once."""
        body = {**self._orders.payment(), "payment_method": "pm_card_visa"}
        body |= {"reference": "order", "amount_usd": self._orders.plain_amount()}
        body["recipient"] = self._orders.recipient(body["destination_currency"], refused=True)
        known = await self._pay(client, body)
        for _ in range(15):
            if known is None or known.status in ("ACTION_REQUIRED", "ON_HOLD"):
                break
            await asyncio.sleep(1)
            await self.look(client, known)
            known = self.payments[known.payment_id]
        if known and known.status == "ACTION_REQUIRED" and self._rng.random() < 0.8:
            await asyncio.gather(*(self._correct(f"{client}.{n}", known) for n in range(2)))

    async def _correct_any(self, client: str) -> None:
        """Corrects what waits for that, or has come back."""
        waiting = [k for k in self.payments.values() if k.status in ("ACTION_REQUIRED", "RETURNED")]
        if waiting:
            await self._correct(client, self._rng.choice(waiting))

    async def _correct(self, client: str, known: Known) -> None:
        refused = self._rng.random() < 0.2
        call = Call(
            f="correct",
            method="POST",
            path=f"{PAYMENTS}/{known.payment_id}:correct",
            body={"recipient": self._orders.recipient(known.currency, refused=refused)},
            key=self._orders.key(),
            payment_id=known.payment_id,
            meta={"was": known.status},
        )
        calls = [call] * self._rng.choice((1, 1, 2))
        await asyncio.gather(
            *(self._insist(f"{client}.{number}", one) for number, one in enumerate(calls))
        )
        await self.look(client, known)

    async def _refund(self, client: str, known: Known) -> None:
        part: dict[str, Any] = {"amount_usd": self._orders.part(known.amount_usd)}
        # Some forget to say that the rest is not paid out any more.
        part["ends_payout"] = self._rng.random() < 0.9
        whole: dict[str, Any] = {"full": True}
        body = part if self._rng.random() < 0.6 else whole
        call = _refund_call(self._orders.key(), known, body)
        calls = [call] * self._rng.choice((1, 1, 2))
        if self._rng.random() < 0.3:
            calls.append(_refund_call(self._orders.key(), known, part))
        await asyncio.gather(
            *(self._insist(f"{client}.{number}", one) for number, one in enumerate(calls))
        )
        await self.look(client, known)

    async def _insist(self, client: str, call: Call) -> None:
        """As clients do at a passing refusal: so long as a worker has it."""
        for _ in range(BUSY_TRIES):
            answered = await self.send_keyed(client, call)
            if answered.reason != "PAYMENT_BUSY":
                return
            await asyncio.sleep(BUSY_SECONDS)

    async def _replay(self, client: str) -> None:
        if keyed := self._any(self.keyed):
            await self.send_keyed(client, keyed.call)

    async def _replay_changed(self, client: str) -> None:
        keyed = self._any(self.keyed)
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
            await self.http.send(call, client)

    async def _get(self, client: str) -> None:
        if known := self._any(self.payments):
            await self.look(client, known)

    async def _get_unknown(self, client: str) -> None:
        stranger = unknown_id(self._rng, "pay")
        call = Call(f="get", method="GET", path=f"{PAYMENTS}/{stranger}", payment_id=stranger)
        await self.http.send(call, client)

    async def _list(self, client: str) -> None:
        path = f"{PAYMENTS}?page_size={self._rng.randint(1, 10)}"
        await self.http.send(Call(f="list", method="GET", path=path), client)

    async def _events(self, client: str) -> None:
        if known := self._any(self.payments):
            await self.http.send(events_call(known.payment_id), client)

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
        await self.http.send(call, client)

    async def _forged(self, client: str) -> None:
        if known := self._any(self.payments):
            await self.http.send(self._hostile.forged(known.subject), client)

    async def _hint(self, client: str) -> None:
        if known := self._any(self.payments):
            call = self._hostile.hint(known.subject)
            answered = await self.http.send(call, client)
            self.hints[str(call.key)] = Keyed(call, answered.type != INFO)

    async def _orphan(self, client: str) -> None:
        call = self._hostile.orphan()
        answered = await self.http.send(call, client)
        self.hints[str(call.key)] = Keyed(call, answered.type != INFO)

    # How they do it.

    async def _pay(self, client: str, body: dict[str, Any]) -> Known | None:
        call = _create_call(self._orders.key(), body)
        answered = await self.send_keyed(client, call)
        if answered.type == INFO and self._rng.random() < 0.5:
            # As a client would: the same again, a moment later.
            await asyncio.sleep(self._rng.uniform(0.2, 3))
            answered = await self.send_keyed(client, call)
        return self.payments.get(answered.payment_id) if answered.type == OK else None

    async def send_keyed(self, client: str, call: Call) -> Record:
        """The end of a request under a key, which is remembered for another time."""
        answered = await self.http.send(call, client)
        before = self.keyed.get(str(call.key))
        known = answered.type != INFO or bool(before and before.answered)
        self.keyed[str(call.key)] = Keyed(call, known)
        if answered.type == OK and call.f == "create":
            self._learn(answered.answer)
        return answered

    async def look(self, client: str, known: Known) -> None:
        """Reads a payment."""
        path = f"{PAYMENTS}/{known.payment_id}"
        call = Call(f="get", method="GET", path=path, payment_id=known.payment_id)
        answered = await self.http.send(call, client)
        if answered.type == OK:
            self._learn(answered.answer)

    def again(self, event: InboxEvent) -> Call:
        """An event that we once took, to be sent again."""
        return self._hostile.signed(
            event.provider, event.body, event.event_id, event.payment_id, {"replay": True}
        )

    async def send_signed_again(self, call: Call) -> Record:
        """A webhook once more, with a signature of now."""
        provider = str(call.meta["provider"])
        fresh = self._hostile.signed(provider, call.body, str(call.key), call.payment_id, call.meta)
        return await self.http.send(fresh, "final")

    def _learn(self, shown: Any) -> None:
        known = Known(
            shown["transaction_id"],
            shown["amount_usd"],
            shown["destination_currency"],
            shown["payout_amount"],
            shown["status"],
        )
        self.payments[known.payment_id] = known

    def _any(self, known: dict[str, Any]) -> Any:
        return self._rng.choice(list(known.values())) if known else None


def _create_call(key: str, body: dict[str, Any]) -> Call:
    return Call(f="create", method="POST", path=PAYMENTS, body=body, key=key)


def _refund_call(key: str, known: Known, body: dict[str, Any]) -> Call:
    return Call(
        f="refund",
        method="POST",
        path=f"{PAYMENTS}/{known.payment_id}/refunds",
        body=body,
        key=key,
        payment_id=known.payment_id,
        # The last answer to the client before its request.
        meta={"was": known.status},
    )


def events_call(payment_id: str) -> Call:
    path = f"{PAYMENTS}/{payment_id}/events"
    return Call(f="events", method="GET", path=path, payment_id=payment_id)


def _minor(amount: str) -> int:
    whole, _, part = amount.partition(".")
    return int(whole) * 100 + int(part or 0)
