"""The payments of a drill: what each had done when the backup was taken, and what happened to it
since. Every request is kept, so that its client can repeat it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import aiohttp
import asyncpg

from services.shared.beside import beside
from services.shared.well_known import SANDBOX_OPERATORS
from tests.chaos import books
from tests.chaos.client import Call, Client
from tests.chaos.clients import PAYMENTS
from tests.chaos.history import OK, Record
from tests.chaos.mesh import ChaosMesh
from tests.chaos.operators import ADMIN
from tests.polling import until

# In the lost time payouts fail here for want of balance, so that another rail pays.
FAILING: Mapping[str, Any] = {"flutterwave": {"fails_as": {"probability": 1, "row": 15}}}
PATIENCE_SECONDS = 60.0


class Since(StrEnum):
    """The last thing that happened to a payment before the database was lost."""

    NOTHING = "nothing"
    FAILOVER = "failover"
    REFUND = "refund"
    CANCEL = "cancel"
    COMPLETION = "completion"
    RETURN = "return"
    # The cancel comes when the payout is under way, and is refused.
    LATE_CANCEL = "late cancel"
    PART_REFUND = "part refund"
    CORRECTION = "correction"


# Where they are paid, each by another provider first.
CURRENCIES = {
    Since.NOTHING: ("INR",),
    Since.FAILOVER: ("KES", "NGN"),
    Since.REFUND: ("INR",),
    Since.CANCEL: ("MXN",),
    Since.COMPLETION: ("GBP", "INR"),
    Since.RETURN: ("BRL",),
    Since.LATE_CANCEL: ("INR", "KES"),
    Since.PART_REFUND: ("BRL",),
    Since.CORRECTION: ("INR",),
}
# These were paid out before the backup, and of some the payout has come back or its recipient was
# refused; the others wait for the worker.
BEGUN = (Since.NOTHING, Since.REFUND, Since.RETURN, Since.PART_REFUND, Since.CORRECTION)
LOOK_SECONDS = 0.2


@dataclass
class Order:
    """One payment as its client knows it."""

    since: Since
    # Its client asked for it after the backup, so that the older database does not have it.
    is_lost: bool
    create: Call
    transaction_id: str = ""
    # All that its client asked for later.
    later: list[Call] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """The client's words, by which the providers' books name it."""
        return str(self.create.body["reference"])


class Orders:
    """The clients of a drill, and what they do in it."""

    def __init__(self, mesh: ChaosMesh, http: Client, each: int) -> None:
        self._mesh = mesh
        self._http = http
        self._each = each
        self._states: Mapping[str, str] = {}
        self.all: list[Order] = []

    async def create(self, kinds: Sequence[Since], *, is_lost: bool = False) -> Sequence[Order]:
        """So many new payments of each kind and currency."""
        made = [
            self._order(since, currency, number, is_lost=is_lost)
            for since in kinds
            for currency in CURRENCIES[since]
            for number in range(self._each)
        ]
        answers = await asyncio.gather(*(self.send(order.create) for order in made))
        for order, answered in zip(made, answers, strict=True):
            assert answered.type == OK, answered
            order.transaction_id = answered.payment_id
        self.all += made
        return made

    def _order(self, since: Since, currency: str, number: int, *, is_lost: bool) -> Order:
        name = f"{'lost' if is_lost else 'known'} {since} {currency} {number}"
        body = {
            "user_id": str(uuid5(NAMESPACE_URL, name)),
            "amount_usd": "100.00",
            "destination_currency": currency,
            "reference": name,
        }
        if since is Since.CORRECTION:
            body["recipient"] = _recipient("Asha Refused")
        call = Call(f="create", method="POST", path=PAYMENTS, body=body, key=name.replace(" ", "-"))
        return Order(since, is_lost, call)

    async def begun(self, orders: Sequence[Order]) -> None:
        """They have come as far as they are before what happens to them."""
        begin = {
            Since.REFUND: self.returned,
            Since.PART_REFUND: self.returned,
            Since.CORRECTION: self.refused,
        }
        async with beside(self._look_on):
            each = (begin.get(one.since, self.completed)(one) for one in orders)
            await asyncio.gather(*each)

    async def happen(self, orders: Sequence[Order]) -> None:
        """Lets happen to them what happens since; returns once it is over."""
        async with beside(self._look_on):
            await asyncio.gather(*(_HAPPENS[one.since](self, one) for one in orders))

    async def repeat(self, orders: Sequence[Order]) -> Sequence[tuple[Order, Call, Record]]:
        """Every client repeats every request, in its order."""

        async def one(order: Order) -> list[tuple[Order, Call, Record]]:
            return [
                (order, call, await self._insist(call)) for call in (order.create, *order.later)
            ]

        return [each for found in await asyncio.gather(*map(one, orders)) for each in found]

    async def send(self, call: Call) -> Record:
        """The answer."""
        return await self._http.send(call, "client")

    async def release(self, transaction_id: str) -> None:
        """An operator ends its hold."""
        url = f"{self._mesh.plan.urls['operators']}{ADMIN}/payments/{transaction_id}:release"
        key = next(iter(SANDBOX_OPERATORS.values()))
        await self._insist(Call(
            f="operate", method="POST", path=url, body={"note": "a drill"},
            headers={"authorization": f"Bearer {key}"},
        ))  # fmt: skip

    async def nothing(self, order: Order) -> None:
        """Nothing happens."""

    async def completed(self, order: Order) -> None:
        """The worker goes on with it."""
        await self._until(order, "COMPLETED")

    async def refunded(self, order: Order) -> None:
        """Its payout has come back, and the merchant gives the money back."""
        await self._refund(order, {"full": True})
        await self._until(order, "REFUNDED")

    async def partly_refunded(self, order: Order) -> None:
        """The same, of a part."""
        await self._refund(order, {"amount_usd": "40.00", "ends_payout": True})
        await self._until(order, "PARTLY_REFUNDED")

    async def refused(self, order: Order) -> None:
        """Its recipient cannot be paid."""
        await self._until(order, "ACTION_REQUIRED")

    async def corrected(self, order: Order) -> None:
        """Its recipient could not be paid, and the merchant names another one."""
        await self.refused(order)
        await self._later(order, Call(
            f="correct", method="POST", path=f"{PAYMENTS}/{order.transaction_id}:correct",
            body={"recipient": _recipient("Asha Example")}, key=f"{order.create.key}-correct",
        ))  # fmt: skip
        await self._until(order, "COMPLETED")

    async def cancelled_late(self, order: Order) -> None:
        """It is paid out, and the merchant cancels too late."""
        await self._until(order, "COMPLETED")
        path = f"{PAYMENTS}/{order.transaction_id}:cancel"
        call = Call(f="cancel", method="POST", path=path, body={})
        await self._later(order, call, refused_as="PAYMENT_NOT_CANCELLABLE")

    async def cancelled(self, order: Order) -> None:
        """The payer is charged, and the merchant cancels within the window."""
        await self._until(order, "CONVERTED")
        path = f"{PAYMENTS}/{order.transaction_id}:cancel"
        await self._later(order, Call(f="cancel", method="POST", path=path, body={}))
        await self._until(order, "REFUNDED")

    async def returned(self, order: Order) -> None:
        """The payout, which has arrived, comes back."""
        await self._until(order, "COMPLETED")
        book = await books.simulator_book(self._mesh.simulator_url)
        lines = [line for line in book if line.transaction_id == order.transaction_id]
        paid = next(line for line in lines if line.effect == "payout_completed")
        turn = f"{self._mesh.simulator_url}/control/{paid.provider}/turns/{paid.key}"
        async with aiohttp.ClientSession() as session, session.post(turn) as answer:
            assert answer.ok, await answer.text()
        await self._until(order, "RETURNED")

    async def _refund(self, order: Order, body: Mapping[str, Any]) -> None:
        if order.is_lost:
            await self.returned(order)
        await self._later(order, Call(
            f="refund", method="POST", path=f"{PAYMENTS}/{order.transaction_id}/refunds",
            body=body, key=f"{order.create.key}-refund",
        ))  # fmt: skip

    async def _later(self, order: Order, call: Call, *, refused_as: str = "") -> None:
        answered = await self._insist(call)
        assert (answered.type == OK, answered.reason) == (not refused_as, refused_as), answered
        order.later.append(call)

    async def _insist(self, call: Call) -> Record:
        """Asks until a worker does not have the payment."""

        async def ask() -> Record:
            return await self.send(call)

        return await until(ask, lambda one: one.reason != "PAYMENT_BUSY")

    async def _until(self, order: Order, state: str) -> None:
        async def look() -> str:
            return self._states.get(order.transaction_id, "")

        await until(look, lambda seen: seen == state, seconds=PATIENCE_SECONDS)

    async def _look_on(self) -> None:
        """Keeps the states as they are, by one question for all."""
        connection = await asyncpg.connect(self._mesh.owner_url)
        try:
            while True:
                rows = await connection.fetch("SELECT id, state FROM payments")
                self._states = {books.public_id("pay", row["id"]): row["state"] for row in rows}
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            connection.terminate()


_HAPPENS: dict[Since, Callable[[Orders, Order], Awaitable[None]]] = {
    Since.NOTHING: Orders.nothing,
    Since.FAILOVER: Orders.completed,
    Since.REFUND: Orders.refunded,
    Since.CANCEL: Orders.cancelled,
    Since.COMPLETION: Orders.completed,
    Since.RETURN: Orders.returned,
    Since.LATE_CANCEL: Orders.cancelled_late,
    Since.PART_REFUND: Orders.partly_refunded,
    Since.CORRECTION: Orders.corrected,
}


def _recipient(holder: str) -> Mapping[str, Any]:
    return {"wallet": {"holder_name": holder, "wallet_id": "wallet-0123456789ab"}}


async def set_faults(mesh: ChaosMesh, modes: Mapping[str, Any]) -> None:
    """Turns on these faults of each provider named, in place of those that were on."""
    async with aiohttp.ClientSession(mesh.simulator_url) as session:
        for provider, faults in modes.items():
            async with session.put(f"/control/{provider}", json={"modes": faults}) as answer:
                assert answer.ok, await answer.text()
