"""A sender sees the facts of a price as JSON and as a page, and its figures can be recomputed."""

import aiohttp
import pytest

from tests.e2e.conftest import Mesh, Rest, carried_out


async def test_a_receipt_is_a_page_that_may_load_nothing(mesh: Mesh, rest: Rest) -> None:
    payment = await rest.create(destination_currency="MXN")
    await rest.wait(payment["transaction_id"], {"COMPLETED"})
    path = f"{mesh.rest_url}/api/payments/{payment['transaction_id']}/receipt"

    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{path}/page", params={"locale": "es-MX"}) as page,
        http.get(path, params={"locale": "es-MX"}) as data,
    ):
        text, receipt = await page.text(), await data.json()

    assert page.status == data.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert '<html lang="es-MX">' in text
    state, remittance = receipt["sections"][:2]
    assert state["rule"] == "state"
    facts = {item["name"]: item for item in remittance["items"]}
    assert facts["total_to_recipient"]["value"] == payment["payout_amount"]
    assert facts["total_to_recipient"]["text"] in text


async def test_each_figure_of_a_payment_is_recomputed(mesh: Mesh, rest: Rest) -> None:
    payment = await rest.create(destination_currency="EUR", destination_country="FR")
    name = payment["transaction_id"]

    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{mesh.rest_url}/api/payments/{name}:explain") as answer,
    ):
        explained = await answer.json()

    assert explained["differing"] == explained["unknown"] == 0
    assert {step["finding"] for step in explained["steps"]} == {"AGREES"}
    if mesh.data_dir is None:
        pytest.skip("the database of a mesh that runs elsewhere is not at hand")
    done = await carried_out(mesh, "explain", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith(f"{len(explained['steps'])} figures agree.")
