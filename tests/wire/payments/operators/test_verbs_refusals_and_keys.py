"""The verbs on a payment: who may do them and how often, and the answers that forbid a forced
payout."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, payments_pb2, proposals_pb2, refunds_pb2, verbs_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import Failure, State
from tests.poison import rows, run
from tests.wire.payments.calls import new_key
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.operators.calls import (
    REFUSED,
    actions,
    refusals,
    refused,
    refused_payout,
    with_payout,
)
from tests.wire.payments.operators.proposals import two

UNPAID = Answer(outcome=Outcome.FAILED, failure=REFUSED)
ROUTE = "SELECT state, offramp, route->'offramps' FROM payments"


@pytest.fixture
async def alone(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose policy leaves every verb on a payment to one person."""
    policy = tmp_path / "policy.toml"
    policy.write_text("[second_person.RATE_OVERRIDE]\n")
    async with serving_payments(engine, CORRIDORS, policy=policy) as service:
        service.providers.look_up_answers[Step.PAYOUT] = UNPAID
        yield service


def force(transaction_id: str, provider: str = "local_wallet") -> verbs_pb2.ForcePayoutRequest:
    return verbs_pb2.ForcePayoutRequest(transaction_id=transaction_id, provider=provider)


async def reason(call: Any) -> str:
    return (await refused(call))[1]


async def test_a_forced_payout_is_done_once_for_its_key(
    alone: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await refused_payout(engine)
    key = new_key()

    first = await alone.verbs.ForcePayout(force(transaction_id), metadata=key)
    again = alone.verbs.ForcePayout(force(transaction_id), metadata=key)

    assert await again == first
    assert dict(await again.initial_metadata())["idempotent-replayed"] == "true"
    assert first.status == payments_pb2.Payment.PROCESSING
    assert await rows(engine, ROUTE) == [("PAYING_OUT", "local_wallet", ["local_wallet"])]
    assert await actions(alone) == [("ada", "FORCE_PAYOUT", transaction_id, "")]
    other = alone.verbs.ForcePayout(force(transaction_id, "paystack"), metadata=key)
    assert await reason(other) == "IDEMPOTENCY_KEY_REUSED"
    assert await reason(alone.verbs.ForcePayout(force(transaction_id))) == (
        "IDEMPOTENCY_KEY_REQUIRED"
    )


async def test_a_key_of_an_operator_is_none_of_the_merchant_s(
    alone: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await refused_payout(engine)
    key = new_key()
    refund = refunds_pb2.CreateRefundRequest(transaction_id=transaction_id, full=True)

    await alone.verbs.ForcePayout(force(transaction_id), metadata=key)

    # The merchant's request is a new one.
    made = await alone.refunds.CreateRefund(refund, metadata=key)
    assert made.requested_by == "merchant"


async def test_a_part_is_refunded_once_for_its_key(alone: Service, engine: AsyncEngine) -> None:
    _, transaction_id = await refused_payout(engine)
    request = verbs_pb2.RefundPaymentRequest(
        transaction_id=transaction_id, amount_usd="10.00", ends_payout=True, reason="by phone"
    )
    key = new_key()

    for _ in range(3):
        await alone.verbs.RefundPayment(request, metadata=key)

    found = "SELECT amount_minor, requested_by, reason FROM refunds"
    assert await rows(engine, found) == [(1000, "operator:ada", "by phone")]


async def test_one_person_alone_forces_and_corrects_nothing(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await refused_payout(engine)
    service.providers.look_up_answers[Step.PAYOUT] = UNPAID

    call = service.verbs.ForcePayout(force(transaction_id), metadata=new_key())

    assert await reason(call) == "APPROVAL_REQUIRED"
    assert service.providers.looked_up == []
    preview = await service.verbs.PreviewVerb(
        verbs_pb2.PreviewVerbRequest(force_payout=force(transaction_id))
    )
    assert preview.needs_second_person
    assert not preview.HasField("refusal")
    assert [answer.answer for answer in preview.provider_answers] == ["FAILED recipient_invalid"]


async def test_two_people_force_a_payout_and_the_log_has_the_providers_answer(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await refused_payout(engine)
    service.providers.look_up_answers[Step.PAYOUT] = UNPAID
    pair = await two(service, engine)
    wanted = proposals_pb2.CreateProposalRequest(
        force_payout=force(transaction_id), reason="the bank's own rail is down"
    )

    await pair.approve(await pair.propose(wanted))

    assert await rows(engine, ROUTE) == [("PAYING_OUT", "local_wallet", ["local_wallet"])]
    listed = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    [done] = [one for one in listed.actions if one.action == "FORCE_PAYOUT"]
    assert (done.operator, done.provider_answer) == ("mae", "FAILED recipient_invalid")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(outcome=Outcome.SUCCEEDED), "PROVIDER_CONTRADICTS"),
        (Answer(outcome=Outcome.PENDING), "PROVIDER_CONTRADICTS"),
        (
            Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="unknown_status", message="?")),
            "PROVIDER_CONTRADICTS",
        ),
        (
            Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="?")),
            "PROVIDER_NOT_ASKED",
        ),
        (
            Answer(outcome=Outcome.FAILED, failure=Failure(code="who_knows", message="?")),
            "PROVIDER_CONTRADICTS",
        ),
    ],
)
async def test_nothing_is_forced_beside_a_payout_that_its_provider_does_not_call_unpaid(
    answer: Answer, expected: str, alone: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await refused_payout(engine)
    alone.providers.look_up_answers[Step.PAYOUT] = answer
    before = await rows(engine, ROUTE)

    call = alone.verbs.ForcePayout(force(transaction_id), metadata=new_key())

    assert await reason(call) == expected
    assert await rows(engine, ROUTE) == before
    assert await refusals(alone) == [("ada", "FORCE_PAYOUT", transaction_id, expected)]


async def test_nothing_is_forced_while_a_request_may_still_arrive(
    alone: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await with_payout(
        engine, State.ACTION_REQUIRED, AttemptState.FAILED, failure=REFUSED, sent="1 second"
    )
    await run(engine, "UPDATE attempts SET sends = 2 WHERE step = 'payout'")

    call = alone.verbs.ForcePayout(force(transaction_id), metadata=new_key())

    assert await reason(call) == "PAYOUT_STILL_OPEN"
    assert alone.providers.looked_up == []
    # Its only request was refused for good: none is under way.
    await run(engine, "UPDATE attempts SET sends = 1 WHERE step = 'payout'")
    await alone.verbs.ForcePayout(force(transaction_id), metadata=new_key())


@pytest.mark.parametrize("provider", ["paystack", "nobody", "stripe"])
async def test_only_an_offramp_that_can_pay_is_chosen(
    provider: str, alone: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await refused_payout(engine)

    call = alone.verbs.ForcePayout(force(transaction_id, provider), metadata=new_key())

    assert await reason(call) == "PROVIDER_CANNOT_PAY"


async def test_a_hold_has_a_reason_and_stops_the_merchant_too(
    alone: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await refused_payout(engine)
    request = verbs_pb2.PlaceHoldRequest(transaction_id=transaction_id)

    assert await reason(alone.verbs.PlaceHold(request)) == "FIELD_REQUIRED"
    request.note = "asked by compliance"
    held = await alone.verbs.PlaceHold(request)

    assert held.hold.reason == "operator"
    refund = refunds_pb2.CreateRefundRequest(transaction_id=transaction_id, full=True)
    call = alone.refunds.CreateRefund(refund, metadata=new_key())
    assert await reason(call) == "PAYMENT_ON_HOLD"
    assert await rows(engine, "SELECT evidence FROM payment_events WHERE cause LIKE 'held%'") == [
        ({},)
    ]
    assert await actions(alone) == [("ada", "PLACE_HOLD", transaction_id, "asked by compliance")]


RESTS = """
    UPDATE payments SET rests_until = now() + interval '5 minutes',
           due_at = now() + interval '5 minutes'
"""
LEFT = """
    SELECT rests_until IS NULL, rests_until < now() + interval '40 seconds', due_at <= now()
      FROM payments
"""


@pytest.mark.parametrize(("sends", "expected"), [(1, (True, None, True)), (2, (False, True, True))])
async def test_a_try_ends_the_back_off_and_not_the_time_of_a_request_under_way(
    sends: int, expected: tuple[bool | None, ...], alone: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await with_payout(
        engine, State.PAYING_OUT, AttemptState.FAILED, failure=REFUSED, sent="1 second"
    )
    await run(engine, RESTS)
    await run(engine, f"UPDATE attempts SET sends = {sends} WHERE step = 'payout'")

    await alone.verbs.TryNow(verbs_pb2.TryNowRequest(transaction_id=transaction_id))

    assert await rows(engine, LEFT) == [expected]


async def test_no_verb_takes_a_payment_from_a_worker(alone: Service, engine: AsyncEngine) -> None:
    _, transaction_id = await refused_payout(engine)
    await run(engine, "UPDATE payments SET lease_until = now() + interval '1 minute'")
    hold = verbs_pb2.PlaceHoldRequest(transaction_id=transaction_id, note="now")

    for call in (
        alone.verbs.ForcePayout(force(transaction_id), metadata=new_key()),
        alone.verbs.PlaceHold(hold),
        alone.verbs.TryNow(verbs_pb2.TryNowRequest(transaction_id=transaction_id)),
    ):
        assert await reason(call) == "PAYMENT_BUSY"


async def test_a_verb_on_nothing_is_refused(alone: Service) -> None:
    unknown = "pay_01k4000000e008000000000001"

    for name in (unknown, "", "x"):
        call = alone.verbs.ForcePayout(force(name), metadata=new_key())
        assert await reason(call) == "PAYMENT_NOT_FOUND"
        preview = verbs_pb2.PreviewVerbRequest(force_payout=force(name))
        assert await reason(alone.verbs.PreviewVerb(preview)) == "PAYMENT_NOT_FOUND"
    nothing = verbs_pb2.PreviewVerbRequest()
    assert await reason(alone.verbs.PreviewVerb(nothing)) == "FIELD_REQUIRED"
