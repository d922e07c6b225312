"""A charge of another amount, from its hold to its end: its money is on an account from when it is
known, under its payment, and leaves suspense with what an operator states."""

import pytest

from tests.e2e.conftest import Mesh, Rest, carried_out


async def _on_suspense(mesh: Mesh, transaction_id: str) -> list[str]:
    """The payment's amount on suspense by `verify`, and that all invariants hold."""
    done = await carried_out(mesh, "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if transaction_id in line]
    return [" ".join(words[1:]) for words in lines]


@pytest.mark.parametrize(
    ("stated", "left"),
    [
        ({"outcome": "SUCCEEDED"}, []),
        (
            {"outcome": "SUCCEEDED", "moved_amount": "99.00", "moved_currency": "USD"},
            ["1.00 USD"],
        ),
    ],
)
async def test_a_held_charge_is_on_suspense_until_somebody_says_what_it_was(
    mesh: Mesh, rest: Rest, operators: Rest, stated: dict[str, str], left: list[str]
) -> None:
    if mesh.data_dir is None:
        pytest.skip("the database of a mesh that runs elsewhere is not at hand")
    payment = await rest.create(destination_currency="MXN", reference="sim:amount-1@stripe")
    transaction_id = payment["transaction_id"]
    held = await rest.wait(transaction_id, {"ON_HOLD", "COMPLETED"})
    assert held["hold"] == {"reason": "amount_mismatch"}
    assert held["deadline_at"] > held["updated_at"]
    assert await _on_suspense(mesh, transaction_id) == ["amount_mismatch -99.99 USD"]

    answer = await operators.say(
        f"/api/admin/payments/{transaction_id}:resolve",
        {"evidence": "statement, line 12", **stated},
    )

    assert answer.status == 200, answer.body
    await rest.wait(transaction_id, {"COMPLETED"})
    assert await _on_suspense(mesh, transaction_id) == [f"COMPLETED {amount}" for amount in left]
