"""The incidents of the drill: how each is staged, the alert that must notice it, and the documented
verb that ends it, by the operators' or the merchants' public calls where there is one."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
from aiohttp import web

from deploy import CORRIDORS
from services.shared.ids import Prefix, decode_id
from tests.chaos.mesh import ChaosMesh
from tests.polling import until
from tests.receiver import Receiver, receiving

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
    # Incidents that go on at the same time must not share one connection.
    owner: asyncpg.Pool
    # The merchant's server.
    receiver: Receiver

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

    async def apply(self, files: Mapping[str, str], reason: str) -> None:
        """Has these corridor files count from now on, and no others."""
        named = [{"name": name, "content": text} for name, text in files.items()]
        await self.post("/api/admin/corridor-versions", {"files": named, "reason": reason})

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
    # The call that ends it, as its section of the runbook has it; empty where no call does.
    verb: str = ""


async def _payouts_fail(scene: Scene) -> End:
    payments = await asyncio.gather(*(scene.pay("INR", "sim:recipient_refused") for _ in range(4)))
    for payment in payments:
        await scene.reaches(payment, "ACTION_REQUIRED")

    async def end() -> None:
        for payment in payments:
            await scene.post(f"/api/payments/{payment}:cancel")
            await scene.reaches(payment, "REFUNDED")

    return end


async def _provider_is_down(scene: Scene) -> End:
    await scene.simulate("wise", brownout=1)
    payments = await asyncio.gather(*(scene.pay("GBP") for _ in range(6)))

    async def end() -> None:
        await scene.post("/api/admin/providers/wise:pause", {"reason": "it answers 503"})
        await scene.simulate("wise")
        await scene.post("/api/admin/providers/wise:resume", {"reason": "it is well again"})
        for payment in payments:
            # It would be looked at by itself, at growing intervals.
            await scene.post(f"/api/admin/payments/{payment}:try", {"note": "wise is well again"})
        for payment in payments:
            await scene.reaches(payment, "COMPLETED")

    return end


async def _endpoint_takes_nothing(scene: Scene) -> End:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    receiver, began = scene.receiver, _now()
    takes, receiver.answer = receiver.answer, refuse
    made = await scene.post("/api/webhook-endpoints", {"url": receiver.url})
    payment = await scene.pay("NGN")
    await scene.reaches(payment, "COMPLETED")
    waits = "UPDATE outbox SET created_at = created_at - interval '1 minute' WHERE payment_id = $1"
    await scene.owner.execute(waits, decode_id(Prefix.PAYMENT, payment))

    async def end() -> None:
        receiver.answer = takes
        before = len(receiver.received)
        span = {"tried_since": began, "tried_before": _now(), "note": "it is well again"}
        path = f"/api/admin/webhook-endpoints/{made['endpoint_id']}:replay"
        replayed = await scene.post(path, span)
        assert replayed["events"] > 0, replayed
        await receiver.wait(before + replayed["events"])

    return end


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


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


async def _two_hours_earlier(owner: asyncpg.Pool, payment_id: UUID | None) -> None:
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE payment_events DISABLE TRIGGER USER")
        await connection.execute(
            "UPDATE payment_events SET occurred_at = occurred_at - interval '2 hours' "
            "WHERE payment_id = $1",
            payment_id,
        )
        await connection.execute("ALTER TABLE payment_events ENABLE TRIGGER USER")


async def _rate_is_too_old(scene: Scene) -> End:
    shipped = {file.name: file.read_text() for file in scene.corridors.glob("*.toml")}
    # The rates that ship are days old.
    limit = shipped["us-jp.toml"].replace("[fx]\n", "[fx]\nmaximum_age_hours = 1\n")
    await scene.apply({**shipped, "us-jp.toml": limit}, "an hour at the most")
    body = {"amount_usd": "40.00", "destination_currency": "JPY"}

    async def quoted() -> bool:
        async with scene.merchant.post("/api/quotes", json=body) as answer:
            return answer.ok

    await until(quoted, lambda is_quoted: not is_quoted, seconds=ENDED_SECONDS)

    async def end() -> None:
        await scene.apply(shipped, "an hour was a mistake")
        await until(quoted, bool, seconds=ENDED_SECONDS)

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

    async def end() -> None:
        await scene.mesh.restart(worker)
        await scene.reaches(await scene.pay("NGN"), "COMPLETED")

    return end


async def _session_holds_all_payments(scene: Scene) -> End:
    session = await asyncpg.connect(scene.mesh.owner_url)
    await session.execute("BEGIN")
    await session.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
    asking = [asyncio.create_task(scene.pay("NGN")) for _ in range(3)]

    async def end() -> None:
        await scene.owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE granted "
            "AND relation = 'payments'::regclass AND mode = 'AccessExclusiveLock'"
        )
        session.terminate()
        for payment in await asyncio.gather(*asking):
            await scene.reaches(payment, "COMPLETED")

    return end


# Those of a list may go on at the same time.
TOGETHER = (
    Incident(
        name="a rate is too old",
        alert="CaravelRateMissing",
        labels={"corridor": "us-jp"},
        stage=_rate_is_too_old,
        verb="POST /api/admin/corridor-versions",
    ),
    Incident(
        name="an endpoint takes nothing",
        alert="CaravelWebhooksOutStuck",
        labels={},
        stage=_endpoint_takes_nothing,
        verb="POST /api/admin/webhook-endpoints/{endpoint_id}:replay",
    ),
    Incident(
        name="payouts fail",
        alert="CaravelPayoutsFail",
        labels={"corridor": "us-in"},
        stage=_payouts_fail,
        verb="POST /api/payments/{transaction_id}:cancel",
    ),
    Incident(
        name="a provider is down",
        alert="CaravelBreakerOpen",
        labels={"provider": "wise"},
        stage=_provider_is_down,
        verb="POST /api/admin/providers/{provider}:pause",
    ),
    Incident(
        name="a hold is forgotten",
        alert="CaravelHoldWaits",
        labels={"reason": "amount_mismatch"},
        stage=_hold_is_forgotten,
        verb="POST /api/admin/payments/{transaction_id}:resolve",
    ),
    Incident(
        name="the book is damaged",
        alert="CaravelAuditViolation",
        labels={},
        stage=_book_is_damaged,
    ),
)
WITHOUT_WORK = (
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
        settings={"worker": {"AUDIT_SECONDS": "2"}},
    )
    async with (
        mesh,
        receiving() as receiver,
        aiohttp.ClientSession(mesh.rest_url) as merchant,
        aiohttp.ClientSession(mesh.plan.urls["operators"]) as operators,
        aiohttp.ClientSession(mesh.simulator_url) as simulator,
        asyncpg.create_pool(mesh.owner_url, min_size=1) as owner,
    ):
        yield Scene(mesh, corridors, merchant, operators, simulator, owner, receiver)
