"""A chaos mesh itself: its processes die, come back where they were, and stay dead on request."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from deploy.local.process.child import Spec
from tests.chaos.mesh import ChaosMesh
from tests.chaos.proxy import Toxic
from tests.polling import until


def _tagged(spec: Spec) -> Spec:
    return replace(spec, environment={**spec.environment, "LOG_LEVEL": "debug"})


@pytest.fixture(scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChaosMesh]:
    """One mesh for all of these tests, each of which leaves it healthy."""
    made = ChaosMesh(data_dir=tmp_path_factory.mktemp("chaos") / "mesh", workers=1, launch=_tagged)
    async with made:
        yield made
    made.forget_database()


async def _create(mesh: ChaosMesh) -> str:
    """A payment, asked for under one key until it is there: what has just come back may need a
    moment until the others have found it again."""
    body = {"user_id": str(uuid4()), "amount_usd": "100.00", "destination_currency": "INR"}
    headers = {"idempotency-key": uuid4().hex}
    async with aiohttp.ClientSession(mesh.rest_url) as session:

        async def ask() -> tuple[int, Any]:
            async with session.post("/api/payments", json=body, headers=headers) as answer:
                return answer.status, await answer.json()

        _, created = await until(ask, lambda answered: answered[0] == 201)
        return str(created["transaction_id"])


async def _completed(mesh: ChaosMesh, payment_id: str) -> None:
    async with aiohttp.ClientSession(mesh.rest_url) as session:

        async def look() -> str:
            async with session.get(f"/api/payments/{payment_id}") as answer:
                return str((await answer.json()).get("status"))

        await until(look, lambda status: status == "COMPLETED")


async def _pid(mesh: ChaosMesh, name: str, other_than: int) -> int:
    async def look() -> int:
        return mesh.children[name].pid

    return await until(look, lambda pid: pid != other_than)


async def test_payment_goes_through_all_proxies(mesh: ChaosMesh) -> None:
    await _completed(mesh, await _create(mesh))


async def test_process_that_is_killed_comes_back(mesh: ChaosMesh) -> None:
    before = mesh.children["worker-1"].pid
    mesh.kill("worker-1")

    assert await _pid(mesh, "worker-1", before) != before
    await mesh.healthy("worker-1")
    assert mesh.deaths[-1].code == -signal.SIGKILL and mesh.deaths[-1].is_killed


async def test_process_that_ends_by_itself_comes_back_and_is_recorded(mesh: ChaosMesh) -> None:
    before = mesh.children["fees"].pid
    mesh.children["fees"]._child.kill()

    await _pid(mesh, "fees", before)
    await mesh.healthy("fees")
    assert mesh.deaths[-1].name == "fees" and not mesh.deaths[-1].is_killed


async def test_process_that_is_held_down_stays_dead(mesh: ChaosMesh) -> None:
    mesh.hold_down("worker-1")
    try:
        await mesh.children["worker-1"].ended()
        payment_id = await _create(mesh)

        await asyncio.sleep(0.5)
        assert not mesh.alive("worker-1")
    finally:
        mesh.let_up("worker-1")
    await _completed(mesh, payment_id)


async def test_stopped_process_goes_on_where_it_was(mesh: ChaosMesh) -> None:
    before = mesh.children["simulator"].pid
    mesh.pause("simulator")
    assert not await mesh.children["simulator"].healthy()

    mesh.resume("simulator")

    await mesh.healthy("simulator")
    assert mesh.children["simulator"].pid == before


async def test_database_is_killed_with_all_that_belongs_to_it(mesh: ChaosMesh) -> None:
    payment_id = await _create(mesh)

    await mesh.restart("postgresql")

    await mesh.healthy()
    await _completed(mesh, payment_id)


async def test_database_recovers_when_one_session_is_killed(mesh: ChaosMesh) -> None:
    before = mesh.children["postgresql"].pid
    sessions = await mesh.backends.pids()

    assert await mesh.backends.signal_one("client backend", signal.SIGKILL, mesh.rng) in sessions

    async def survivors() -> set[int]:
        await mesh.healthy("postgresql")
        return set(sessions) & set(await mesh.backends.pids())

    await until(survivors, lambda left: not left)
    assert mesh.children["postgresql"].pid == before


async def test_reply_lost_at_the_provider_is_looked_up(mesh: ChaosMesh) -> None:
    mesh.links["providers>simulator"].set(Toxic(lose_reply=1.0))
    payment_id = await _create(mesh)

    async def struck() -> int:
        return mesh.links["providers>simulator"].struck["reply_lost"]

    await until(struck, bool)
    mesh.heal_links()

    await _completed(mesh, payment_id)
    kinds = [line["effect"] for line in await _book(mesh, payment_id)]
    assert len(kinds) == len(set(kinds))


async def _book(mesh: ChaosMesh, payment_id: str) -> list[dict[str, str]]:
    async with (
        aiohttp.ClientSession(mesh.simulator_url) as session,
        session.get("/book") as answer,
    ):
        return [line for line in await answer.json() if line["transaction_id"] == payment_id]


async def test_everything_is_killed_and_nothing_is_forgotten(mesh: ChaosMesh) -> None:
    payment_id = await _create(mesh)

    await mesh.restart_all()

    await _completed(mesh, payment_id)
