"""The incidents of the drill: how each is staged, the alert that must notice it, and the documented
verb that ends it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg

from deploy import CORRIDORS
from services.shared.ids import Prefix, decode_id
from tests.chaos.mesh import ChaosMesh
from tests.polling import until

# A provider that was away is asked at growing intervals.
ENDED_SECONDS = 180.0
USER = "6f1c2a8e-6a52-4a56-9d0a-6e7f0f6a1c11"


@dataclass
class Scene:
    """A mesh with those who act on it."""

    mesh: ChaosMesh
    corridors: Path
    merchant: aiohttp.ClientSession
    operators: aiohttp.ClientSession
    simulator: aiohttp.ClientSession
    owner: asyncpg.Connection
    # The answer of the merchant's endpoint.
    endpoint_status: int = 500
    endpoint_url: str = ""

    async def pay(self, currency: str, reference: str = "") -> str:
        """A new payment; its id."""
        body = {"user_id": USER, "amount_usd": 40, "destination_currency": currency}
        created = await self.post("/api/payments", {**body, "reference": reference})
        return str(created["transaction_id"])

    async def post(self, path: str, body: Any = None) -> Any:
        """The answer to a request, repeated under its key while nobody can answer it."""
        session = self.operators if path.startswith("/api/admin") else self.merchant
        headers = {"idempotency-key": uuid4().hex}

        async def ask() -> tuple[int, Any]:
            async with session.post(path, json=body or {}, headers=headers) as answer:
                return answer.status, await answer.json()

        status, answer = await until(
            ask, lambda one: one[0] not in (409, 503, 504), seconds=ENDED_SECONDS
        )
        assert status < 300, answer
        return answer

    async def reaches(self, payment: str, *statuses: str) -> None:
        """Returns once the payment has one of the statuses."""

        async def look() -> str:
            async with self.merchant.get(f"/api/payments/{payment}") as answer:
                return str((await answer.json())["status"])

        await until(look, lambda status: status in statuses, seconds=ENDED_SECONDS)

    async def simulate(self, provider: str, **modes: Any) -> None:
        """Has the simulator play these modes at a provider, and no others."""
        async with self.simulator.put(f"/control/{provider}", json={"modes": modes}) as answer:
            assert answer.ok, await answer.text()


# Ends an incident, and returns once what was stuck goes on.
End = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that goes wrong at night."""

    name: str
    alert: str
    labels: Mapping[str, str]
    stage: Callable[[Scene], Awaitable[End]]


async def _payouts_fail(scene: Scene) -> End:
    payments = [await scene.pay("INR", "sim:recipient_refused") for _ in range(4)]
    for payment in payments:
        await scene.reaches(payment, "ACTION_REQUIRED")

    async def end() -> None:
        for payment in payments:
            await scene.post(f"/api/payments/{payment}:cancel")
            await scene.reaches(payment, "REFUNDED")

    return end


async def _provider_is_down(scene: Scene) -> End:
    await scene.simulate("wise", brownout=1)
    payments = [await scene.pay("GBP") for _ in range(6)]

    async def end() -> None:
        await scene.post("/api/admin/providers/wise:pause", {"reason": "it answers 503"})
        await scene.simulate("wise")
        await scene.post("/api/admin/providers/wise:resume", {"reason": "it is well again"})
        for payment in payments:
            await scene.reaches(payment, "COMPLETED")

    return end


async def _endpoint_takes_nothing(scene: Scene) -> End:
    await scene.post("/api/webhook-endpoints", {"url": scene.endpoint_url})
    payment = await scene.pay("NGN")
    await scene.reaches(payment, "COMPLETED")

    async def end() -> None:
        scene.endpoint_status = 204

    return end


async def _hold_is_forgotten(scene: Scene) -> End:
    payment = await scene.pay("MXN", "sim:amount-1@stripe")
    await scene.reaches(payment, "ON_HOLD")
    payment_id = decode_id(Prefix.PAYMENT, payment)
    await _two_hours_earlier(scene.owner, payment_id)

    async def end() -> None:
        said = {"note": "asked the provider", "outcome": "SUCCEEDED", "evidence": "line 12"}
        await scene.post(f"/api/admin/payments/{payment}:resolve", said)
        await scene.reaches(payment, "COMPLETED")

    return end


async def _two_hours_earlier(owner: asyncpg.Connection, payment_id: UUID | None) -> None:
    async with owner.transaction():
        await owner.execute("ALTER TABLE payment_events DISABLE TRIGGER USER")
        await owner.execute(
            "UPDATE payment_events SET occurred_at = occurred_at - interval '2 hours' "
            "WHERE payment_id = $1",
            payment_id,
        )
        await owner.execute("ALTER TABLE payment_events ENABLE TRIGGER USER")


async def _rate_is_too_old(scene: Scene) -> End:
    file = scene.corridors / "us-jp.toml"
    shipped = file.read_text()
    # The rates that ship are days old.
    file.write_text(shipped.replace("[fx]\n", "[fx]\nmaximum_age_hours = 1\n"))
    await scene.mesh.restart("fx")

    async def end() -> None:
        file.write_text(shipped)
        await scene.mesh.restart("fx")
        await scene.reaches(await scene.pay("JPY"), "COMPLETED")

    return end


async def _book_is_damaged(scene: Scene) -> End:
    change = "UPDATE balances SET balance_minor = balance_minor + $1 WHERE account = $2"
    account = "revenue:fees:USD"
    await scene.reaches(await scene.pay("NGN"), "COMPLETED")
    await scene.owner.execute(change, 1, account)

    async def end() -> None:
        await scene.owner.execute(change, -1, account)

    return end


async def _worker_hangs(scene: Scene) -> End:
    (worker,) = scene.mesh.of_kinds(["worker"])
    scene.mesh.pause(worker)
    payment = await scene.pay("NGN")

    async def end() -> None:
        await scene.mesh.restart(worker)
        await scene.reaches(payment, "COMPLETED")

    return end


async def _session_holds_all_payments(scene: Scene) -> End:
    lock = scene.owner.transaction()
    await lock.start()
    await scene.owner.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
    asking = [asyncio.create_task(scene.pay("NGN")) for _ in range(3)]

    async def end() -> None:
        await lock.rollback()
        for payment in await asyncio.gather(*asking):
            await scene.reaches(payment, "COMPLETED")

    return end


# Those of the first list may go on at the same time.
TOGETHER = (
    Incident(
        name="a rate is too old",
        alert="CaravelRateMissing",
        labels={"corridor": "us-jp"},
        stage=_rate_is_too_old,
    ),
    Incident(
        name="an endpoint takes nothing",
        alert="CaravelWebhooksOutStuck",
        labels={},
        stage=_endpoint_takes_nothing,
    ),
    Incident(
        name="payouts fail",
        alert="CaravelPayoutsFail",
        labels={"corridor": "us-in"},
        stage=_payouts_fail,
    ),
    Incident(
        name="a provider is down",
        alert="CaravelBreakerOpen",
        labels={"provider": "wise"},
        stage=_provider_is_down,
    ),
    Incident(
        name="a hold is forgotten",
        alert="CaravelHoldWaits",
        labels={"reason": "amount_mismatch"},
        stage=_hold_is_forgotten,
    ),
    Incident(
        name="the book is damaged",
        alert="CaravelAuditViolation",
        labels={},
        stage=_book_is_damaged,
    ),
)
ALONE = (
    Incident(
        name="a worker hangs",
        alert="CaravelProcessDown",
        labels={"instance": "worker-1"},
        stage=_worker_hangs,
    ),
    Incident(
        name="one session holds all payments",
        alert="CaravelDatabaseAway",
        labels={},
        stage=_session_holds_all_payments,
    ),
)


@asynccontextmanager
async def opened_scene(folder: Path) -> AsyncIterator[Scene]:
    """A mesh whose corridors are files of its own, whose books are audited all the time, and whose
    merchant has a server."""
    corridors = shutil.copytree(CORRIDORS, folder / "corridors")
    mesh = ChaosMesh(
        data_dir=folder / "mesh",
        payments=1,
        workers=1,
        proxied=False,
        corridors_dir=corridors,
        settings={"worker": {"AUDIT_SECONDS": "5"}},
    )
    async with (
        mesh,
        aiohttp.ClientSession(mesh.rest_url) as merchant,
        aiohttp.ClientSession(mesh.plan.urls["operators"]) as operators,
        aiohttp.ClientSession(mesh.simulator_url) as simulator,
    ):
        owner = await asyncpg.connect(mesh.owner_url)
        yield Scene(mesh, corridors, merchant, operators, simulator, owner)
        await owner.close()
