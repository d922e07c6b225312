"""Whether the mesh can do its work: the gateway's page and each process say it."""

from typing import Any

import asyncpg
import pytest

from deploy.local.mesh import state, supervisor
from deploy.local.mesh.state import DataDir
from tests.e2e.conftest import Mesh, Rest, owner_url
from tests.polling import until


async def test_a_database_that_takes_no_payments_is_seen_until_it_does(
    mesh: Mesh, rest: Rest
) -> None:
    if mesh.data_dir is None:
        pytest.skip("the database of a mesh that runs elsewhere is not at hand")
    folder = DataDir.at(mesh.data_dir)
    running = state.read(folder.state)
    assert running is not None
    ports = {name: running.process(name).port for name in ("payments", "worker")}
    payment = await rest.create()

    async def seen() -> tuple[Any, ...]:
        page = await rest.get("/healthz")
        answers = [
            await supervisor.grpc_serving(one or 0, name, folder.certificates)
            for name, one in ports.items()
        ]
        return (page.status, *answers)

    await until(seen, lambda answers: answers == (200, True, True))
    owner = await asyncpg.connect(owner_url(mesh))
    async with owner.transaction():
        # As a schema change that makes an index does: rows can be read and not be written.
        await owner.execute("LOCK TABLE payments IN SHARE MODE")
        await until(seen, lambda answers: answers == (503, False, False))
        shown = await rest.get(f"/api/payments/{payment['transaction_id']}")
    await owner.close()

    # Reads are answered all the while.
    assert shown.status == 200
    await until(seen, lambda answers: answers == (200, True, True))
