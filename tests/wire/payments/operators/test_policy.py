"""Where the policy asks for two people, nobody does it alone."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from caravel.payments.v1 import admin_pb2, proposals_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.poison import rows, run
from tests.wire.payments.conftest import CORRIDORS, serving_payments
from tests.wire.payments.operators.calls import (
    refused,
    release,
    requeue,
    resolve,
    unknown_payout,
)
from tests.wire.payments.operators.proposals import two


async def reason(call: Any) -> str:
    return (await refused(call))[1]


def releasing(transaction_id: str) -> proposals_pb2.CreateProposalRequest:
    return proposals_pb2.CreateProposalRequest(release_hold=release(transaction_id), reason="seen")


async def hold_of(engine: AsyncEngine, payment_id: UUID) -> str | None:
    [(reason,)] = await rows(
        engine, "SELECT hold_reason FROM payments WHERE id = :id", id=payment_id
    )
    return str(reason) if reason else None


POLICY = """
[second_person.RATE_OVERRIDE]
[second_person.RELEASE_HOLD]
from_usd = "{amount}"
[second_person.RESOLVE_ATTEMPT]
from_usd = "{amount}"
"""


@pytest.mark.parametrize(("amount", "demanded"), [("100.00", True), ("100.01", False)])
async def test_where_the_policy_asks_for_two_nobody_does_it_alone(
    amount: str, demanded: bool, tmp_path: Path, engine: AsyncEngine
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(amount=amount))
    # Of 100.00 USD.
    payment_id, transaction_id = await unknown_payout(engine)
    async with serving_payments(engine, CORRIDORS, policy=policy) as service:
        stated = resolve(transaction_id, provider_unreachable=True)
        calls = (
            lambda: service.admin.ReleaseHold(release(transaction_id)),
            lambda: service.admin.ResolveAttempt(stated),
        )
        if not demanded:
            await calls[1]()
            assert await hold_of(engine, payment_id) is None
            return
        assert [await reason(call()) for call in calls] == ["APPROVAL_REQUIRED"] * 2
        assert await hold_of(engine, payment_id) == "outcome_unknown"
        pair = await two(service, engine)
        await pair.approve(await pair.propose(releasing(transaction_id)))
    assert await hold_of(engine, payment_id) is None


async def test_a_release_that_states_an_outcome_needs_two_where_stating_does(
    tmp_path: Path, engine: AsyncEngine
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[second_person.RATE_OVERRIDE]\n[second_person.RESOLVE_ATTEMPT]\n")
    payment_id, transaction_id = await unknown_payout(engine)
    await run(engine, "UPDATE payments SET hold_reason = 'payout_unconfirmed'")
    async with serving_payments(engine, CORRIDORS, policy=policy) as service:
        assert await reason(service.admin.ReleaseHold(release(transaction_id))) == (
            "APPROVAL_REQUIRED"
        )
        assert await hold_of(engine, payment_id) == "payout_unconfirmed"
        pair = await two(service, engine)
        await pair.approve(await pair.propose(releasing(transaction_id)))
        assert await hold_of(engine, payment_id) is None
        await run(engine, "UPDATE payments SET hold_reason = 'outcome_unknown', due_at = NULL")
        # The release of another hold states nothing.
        await service.admin.ReleaseHold(release(transaction_id))


async def test_a_dead_letter_is_no_way_around_the_policy(
    tmp_path: Path, engine: AsyncEngine
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(amount="1.00"))
    payment_id, _ = await unknown_payout(engine)
    await run(engine, "UPDATE payments SET hold_reason = 'step_failed', step_failures = 10")
    async with serving_payments(engine, CORRIDORS, policy=policy) as service:
        listed = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())
        [letter] = listed.dead_letters

        refusal = await reason(service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id)))

    assert refusal == "APPROVAL_REQUIRED"
    assert await hold_of(engine, payment_id) == "step_failed"
