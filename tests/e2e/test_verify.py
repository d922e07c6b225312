"""After all that the ring did to it, the books of the mesh hold."""

import asyncio
import subprocess

import pytest

from tests.e2e.conftest import CARAVEL, Mesh, Rest


async def test_the_books_hold(mesh: Mesh, rest: Rest) -> None:
    if mesh.data_dir is None:
        pytest.skip("the database of a mesh that runs elsewhere is not at hand")
    payment = await rest.create()
    await rest.wait(payment["transaction_id"], {"COMPLETED"})

    done = await asyncio.to_thread(
        subprocess.run,
        [CARAVEL, "verify", "--data-dir", mesh.data_dir],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All hold." in done.stdout
