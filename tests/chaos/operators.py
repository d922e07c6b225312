"""Two operators beside the clients: any verb on any payment, at any time. One proposes a verb that
needs two people, and the other approves it. Before the last questions they release their holds. An
outcome that they state is the one in statements."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.chaos.client import Call, Client
from tests.chaos.clients import BUSY_SECONDS, BUSY_TRIES, Known
from tests.chaos.history import INFO, OK, Record
from tests.chaos.orders import OFFRAMPS, Orders
from tests.chaos.statements import Statement, statement

ADMIN = "/api/admin"
# Payments that wait for somebody's verb.
STUCK = ("ACTION_REQUIRED", "RETURNED", "PROCESSING")
# An operator who holds a payment for a while lets it go on after so many seconds.
HOLD_SECONDS = (0, 0.5, 3, 10)
# A hold that a person ends who knows whether a payout was paid.
UNCONFIRMED = "payout_unconfirmed"


class Operators:
    """The operators of one run."""

    def __init__(
        self,
        url: str,
        keys: Mapping[str, str],
        rng: Random,
        payments: Mapping[str, Known],
        simulator_url: str = "",
    ) -> None:
        self._url = url
        self._simulator_url = simulator_url
        self._keys = keys
        self._rng = rng
        self._orders = Orders(rng, run=f"operators-{rng.getrandbits(24):06x}")
        self._payments = payments
        self._held: set[str] = set()
        self.http: Client
        # Their actions, and how often.
        self._actions: Sequence[tuple[float, Callable[[str, Known], Awaitable[None]]]] = (
            (9, self._force), (4, self._hold), (4, self._try), (2, self._refund),
            (4, self._correct), (2, self._preview), (6, self._resolve),
        )  # fmt: skip

    async def act(self, client: str) -> None:
        """One operator looks at some payment, and does something."""
        if not self._payments:
            return
        any_one = list(self._payments.values())[-40:]
        stuck = [one for one in self._payments.values() if one.status in STUCK]
        known = self._rng.choice(stuck if stuck and self._rng.random() < 0.6 else any_one)
        weights = [weight for weight, _ in self._actions]
        [(_, action)] = self._rng.choices(self._actions, weights)
        await action(client, known)

    async def go_home(self) -> None:
        """Releases all that they hold, so that everything comes to its end."""
        await asyncio.gather(*(self._release("final", one) for one in sorted(self._held)))

    async def see_to_holds(self) -> None:
        """Ends every hold of which the providers' statements say how."""
        known = await statement(self._simulator_url)
        held, page = list[str](), ""
        while known is not None:
            path = f"{ADMIN}/payments?on_hold=true&page_token={page}"
            found = await self._read("final", "", path)
            held += [one["payment"]["transaction_id"] for one in found.get("payments", ())]
            page = found.get("next_page_token", "")
            if not page:
                await asyncio.gather(*(self._see_to("final", one, known) for one in held))
                return

    async def _see_to(self, client: str, payment_id: str, known: Statement) -> None:
        seen = await self._look(client, payment_id)
        if _reason(seen) != UNCONFIRMED:
            await self._state(client, payment_id, known.resolution(seen))
        elif not known.has_payout(payment_id):
            await self._insist(client, payment_id, "release", {"note": "not paid"})

    async def _resolve(self, client: str, known: Known) -> None:
        """Stops a payment, and states what became of its attempt."""
        payment_id = known.payment_id
        self._held.add(payment_id)
        await self._insist(client, payment_id, "hold", {"note": "its statement is read"})
        read = await statement(self._simulator_url)
        if read is not None:
            seen = await self._look(client, payment_id)
            await self._state(client, payment_id, read.resolution(seen))
        await self._release(client, payment_id)

    async def _state(
        self, client: str, payment_id: str, resolution: Mapping[str, Any] | None
    ) -> None:
        if resolution is not None:
            body = {**resolution, "provider_unreachable": self._rng.random() < 0.5}
            await self._insist(client, payment_id, "resolve", body)

    async def _force(self, client: str, known: Known) -> None:
        provider = self._rng.choice(OFFRAMPS[known.currency])
        order = {"transaction_id": known.payment_id, "provider": provider}
        await self._agree(client, known.payment_id, {"force_payout": order})

    async def _correct(self, client: str, known: Known) -> None:
        recipient = self._orders.recipient(known.currency)
        order = {"transaction_id": known.payment_id, "recipient": recipient}
        await self._agree(client, known.payment_id, {"correct_payment": order})

    async def _hold(self, client: str, known: Known) -> None:
        self._held.add(known.payment_id)
        body = {"note": "to be looked at"}
        held = await self._insist(client, known.payment_id, "hold", body)
        if held.type == OK:
            await asyncio.sleep(self._rng.choice(HOLD_SECONDS))
            await self._release(client, known.payment_id)

    async def _release(self, client: str, payment_id: str) -> None:
        if _reason(await self._look(client, payment_id)) == "operator":
            await self._insist(client, payment_id, "release", {"note": "seen to"})

    async def _try(self, client: str, known: Known) -> None:
        await self._verb(client, known.payment_id, "try", {"note": "at once"})

    async def _refund(self, client: str, known: Known) -> None:
        part = {"amount_usd": self._orders.part(known.amount_usd), "ends_payout": True}
        body = part if self._rng.random() < 0.4 else {"full": True}
        key, times = self._orders.key(), self._rng.choice((1, 2))
        await asyncio.gather(
            *(self._insist(client, known.payment_id, "refund", body, key) for _ in range(times))
        )

    async def _preview(self, client: str, known: Known) -> None:
        order = {"transaction_id": known.payment_id, "full": True}
        path = f"{ADMIN}/previews"
        await self._send(client, known.payment_id, "POST", path, {"refund_payment": order})

    async def _agree(self, client: str, payment_id: str, verb: Mapping[str, Any]) -> None:
        """One proposes it, and the other approves it, sometimes a little later."""
        proposer, approver = self._rng.sample(sorted(self._keys), 2)
        path = f"{ADMIN}/proposals"
        body = {**verb, "reason": "chaos"}
        made = await self._certain(client, payment_id, "POST", path, body, by=proposer)
        if made.type != OK:
            return
        await asyncio.sleep(self._rng.choice((0, 0, 0.5, 3)))
        proposal = made.answer
        seen = {"payload_sha256": proposal["payload_sha256"]}
        path = f"{path}/{proposal['proposal_id']}:approve"
        await self._certain(client, payment_id, "POST", path, seen, by=approver)

    async def _certain(
        self, client: str, payment_id: str, method: str, path: str, body: Any, *, by: str = ""
    ) -> Record:
        """Asks until there is a definite answer: none of these calls does anything twice."""
        for _ in range(BUSY_TRIES):
            done = await self._send(client, payment_id, method, path, body, by=by)
            if done.type != INFO:
                break
            await asyncio.sleep(BUSY_SECONDS)
        return done

    async def _look(self, client: str, payment_id: str) -> Mapping[str, Any]:
        """The payment with all its parts; empty where it cannot be had."""
        return await self._read(client, payment_id, f"{ADMIN}/payments/{payment_id}")

    async def _read(self, client: str, payment_id: str, path: str) -> Mapping[str, Any]:
        done = await self._certain(client, payment_id, "GET", path, None)
        return (done.answer or {}) if done.type == OK else {}

    async def _insist(
        self, client: str, payment_id: str, verb: str, body: Any, key: str | None = None
    ) -> Record:
        """As operators do while a worker has it."""
        for _ in range(BUSY_TRIES):
            done = await self._verb(client, payment_id, verb, body, key)
            if done.reason != "PAYMENT_BUSY":
                break
            await asyncio.sleep(BUSY_SECONDS)
        return done

    async def _verb(
        self, client: str, payment_id: str, verb: str, body: Any, key: str | None = None
    ) -> Record:
        path = f"{ADMIN}/payments/{payment_id}:{verb}"
        return await self._send(client, payment_id, "POST", path, body, key=key)

    async def _send(
        self,
        client: str,
        payment_id: str,
        method: str,
        path: str,
        body: Any,
        *,
        key: str | None = None,
        by: str = "",
    ) -> Record:
        name = by or self._rng.choice(sorted(self._keys))
        call = Call(
            f="operate",
            method=method,
            path=f"{self._url}{path}",
            body=body,
            key=key,
            headers={"authorization": f"Bearer {self._keys[name]}"},
            payment_id=payment_id,
        )
        return await self.http.send(call, f"{client}.{name}")


def _reason(seen: Mapping[str, Any]) -> str:
    """The reason of an inspected payment's hold; empty where it has none."""
    return str(seen.get("payment", {}).get("hold", {}).get("reason", ""))
