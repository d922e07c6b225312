"""After all that the ring did to it, the books of the mesh hold."""

import pytest

from tests.e2e.conftest import Mesh, Rest, carried_out


async def test_the_books_hold(mesh: Mesh, rest: Rest) -> None:
    if mesh.data_dir is None:
        pytest.skip("the database of a mesh that runs elsewhere is not at hand")
    payment = await rest.create()
    await rest.wait(payment["transaction_id"], {"COMPLETED"})

    done = await carried_out(mesh, "verify")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All hold." in done.stdout
