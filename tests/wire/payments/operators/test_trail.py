"""The log of operators' actions keeps who acted, with which credential, from where and by which
request; it keeps refused attempts too, up to a bound; and operators see all merchants."""

from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.operators.domain import REFUSALS_MAX
from services.shared.deployment import Deployment
from tests.poison import rows, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import (
    actions,
    discard,
    refusals,
    refused,
    release,
    requeue,
    resolve,
    unknown_payout,
)
from tests.wire.payments.operators.keys import operator_key
from tests.wire.payments.operators.proposals import two

FROM = ("x-client-address", "203.0.113.9")
VERBS = {
    "RELEASE_HOLD": lambda admin, key: admin.ReleaseHold(release("pay_1"), metadata=key),
    "RESOLVE_ATTEMPT": lambda admin, key: admin.ResolveAttempt(resolve("pay_1"), metadata=key),
    "REQUEUE_DEAD_LETTER": lambda admin, key: admin.RequeueDeadLetter(requeue("a"), metadata=key),
    "DISCARD_DEAD_LETTER": lambda admin, key: admin.DiscardDeadLetter(discard("a"), metadata=key),
    "LIST_OPERATOR_ACTIONS": lambda admin, key: admin.ListOperatorActions(
        admin_pb2.ListOperatorActionsRequest(), metadata=key
    ),
}


async def log(service: Service, *key: tuple[str, str], **wanted: str) -> list[Any]:
    listed = await service.admin.ListOperatorActions(
        admin_pb2.ListOperatorActionsRequest(**wanted), metadata=key
    )
    return list(listed.actions)


@pytest.mark.parametrize("service", [*Deployment], indirect=True)
async def test_an_action_names_the_operator_of_the_credential(
    service: Service, engine: AsyncEngine, request: pytest.FixtureRequest
) -> None:
    deployment = request.node.callspec.params["service"]
    ada = await operator_key(engine, "grace", deployment=deployment)
    _, transaction_id = await unknown_payout(engine)

    metadata = (ada.header, FROM, ("x-request-id", "req-7"))
    await service.admin.ReleaseHold(release(transaction_id, note="seen"), metadata=metadata)

    (entry,) = await log(service, ada.header)
    shown = (entry.operator, entry.credential_id, entry.address, entry.request_id, entry.note)
    assert shown == ("grace", ada.key_id, "203.0.113.9", "req-7", "seen")
    assert (entry.merchant_id, entry.refusal) == ("sandbox", "")
    actors = "SELECT actor FROM payment_events WHERE cause = 'hold_released'"
    assert await rows(engine, actors) == [("operator:grace",)]


@pytest.mark.parametrize("action", VERBS)
async def test_a_credential_without_the_scope_is_refused_and_kept(
    service: Service, engine: AsyncEngine, action: str
) -> None:
    eve = await operator_key(engine, "eve", scopes={"operate:read"})

    call = VERBS[action](service.admin, (eve.header, FROM))

    assert (await refused(call))[:2] == ("PERMISSION_DENIED", "SCOPE_MISSING")
    (entry,) = await log(service)
    assert (entry.operator, entry.action, entry.refusal) == ("eve", action, "SCOPE_MISSING")
    assert (entry.credential_id, entry.address, entry.subject) == (eve.key_id, "203.0.113.9", "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ("revoked_at = now()", "API_KEY_REVOKED"),
        ("expires_at = now()", "API_KEY_EXPIRED"),
        ("addresses = '[\"198.51.100.0/24\"]'", "ADDRESS_NOT_ALLOWED"),
    ],
)
async def test_a_genuine_key_that_may_not_be_used_is_kept(
    service: Service, engine: AsyncEngine, changes: str, reason: str
) -> None:
    eve = await operator_key(engine, "eve", changes=changes)

    call = service.admin.ReleaseHold(release("pay_1"), metadata=(eve.header, FROM))

    assert (await refused(call))[1] == reason
    assert await refusals(service) == [("eve", "RELEASE_HOLD", "", reason)]


async def test_a_key_that_is_not_genuine_leaves_nothing_in_the_log(
    service: Service, engine: AsyncEngine
) -> None:
    eve = await operator_key(engine, "eve")
    await run(engine, "UPDATE operator_keys SET digest = '\\x00', version = 99")
    await run(engine, "UPDATE credential_version SET version = 99")

    call = service.admin.ReleaseHold(release("pay_1"), metadata=(eve.header,))

    assert (await refused(call))[1] == "API_KEY_INVALID"
    assert await refusals(service) == []


async def test_a_verb_that_the_state_refuses_is_kept(service: Service, engine: AsyncEngine) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(engine, "UPDATE payments SET hold_reason = NULL")
    unknown = "pay_01m83kn3s0e24t886s6p8k72tv"

    await refused(service.admin.ReleaseHold(release(transaction_id)))
    await refused(service.admin.ReleaseHold(release(unknown)))
    await refused(service.admin.RequeueDeadLetter(requeue("step_MDE5")))
    await refused(service.admin.ReleaseHold(release("x" * 9000)))
    await refused(service.admin.ReleaseHold(release("pay\0")))

    assert await refusals(service) == [
        ("ada", "RELEASE_HOLD", "pay\ufffd", "PAYMENT_NOT_FOUND"),
        ("ada", "RELEASE_HOLD", "x" * 128, "PAYMENT_NOT_FOUND"),
        ("ada", "REQUEUE_DEAD_LETTER", "step_MDE5", "DEAD_LETTER_NOT_FOUND"),
        ("ada", "RELEASE_HOLD", unknown, "PAYMENT_NOT_FOUND"),
        ("ada", "RELEASE_HOLD", transaction_id, "PAYMENT_NOT_ON_HOLD"),
    ]
    assert await actions(service) == []


async def test_a_request_that_is_not_of_the_contracts_form_is_no_attempt(service: Service) -> None:
    assert (await refused(service.admin.ReleaseHold(release("pay_1", note="x" * 501))))[1] == (
        "FIELD_INVALID"
    )
    assert await refusals(service) == []


async def test_refusals_of_one_credential_are_kept_up_to_a_bound(
    service: Service, engine: AsyncEngine
) -> None:
    eve, mallory = [
        await operator_key(engine, name, scopes={"operate:read"}) for name in ("eve", "mallory")
    ]
    for _ in range(REFUSALS_MAX + 3):
        await refused(service.admin.ReleaseHold(release("pay_1"), metadata=(eve.header,)))
    await refused(service.admin.ReleaseHold(release("pay_1"), metadata=(mallory.header,)))

    counted = "SELECT operator, count(*) FROM operator_actions GROUP BY 1 ORDER BY 1"
    assert await rows(engine, counted) == [("eve", REFUSALS_MAX), ("mallory", 1)]


async def test_a_try_to_approve_one_s_own_proposal_is_kept_beside_any_number_of_refusals(
    service: Service, engine: AsyncEngine
) -> None:
    pair = await two(service, engine)
    proposal = await pair.propose()
    for _ in range(REFUSALS_MAX):
        await refused(service.admin.ReleaseHold(release("pay_1"), metadata=pair.as_("lin")))

    await refused(pair.approve(proposal, by="lin"))

    own = ("lin", "APPROVE_PROPOSAL", proposal.proposal_id, "APPROVER_IS_PROPOSER")
    assert own in await refusals(service)


@pytest.fixture
async def payments(engine: AsyncEngine) -> dict[str, str]:
    """A payment on hold of each of two merchants."""
    await run(engine, "INSERT INTO merchants (id, display_name) VALUES ('mer_b', 'B')")
    return {
        merchant_id: (await unknown_payout(engine, merchant_id))[1]
        for merchant_id in ("sandbox", "mer_b")
    }


async def test_lists_have_all_merchants_or_the_one_that_is_asked_for(
    service: Service, engine: AsyncEngine, payments: dict[str, str]
) -> None:
    await run(engine, "UPDATE payments SET hold_reason = 'step_failed', due_at = NULL")

    async def overdue(**fields: Any) -> dict[str, str]:
        request = admin_pb2.ListOverduePaymentsRequest(waiting=True, **fields)
        page = await service.admin.ListOverduePayments(request)
        return {one.merchant_id: one.transaction_id for one in page.payments}

    async def dead_letters(**fields: Any) -> dict[str, str]:
        request = admin_pb2.ListDeadLettersRequest(**fields)
        page = await service.admin.ListDeadLetters(request)
        return {one.merchant_id: one.transaction_id for one in page.dead_letters}

    for listed in (overdue, dead_letters):
        assert await listed() == payments
        assert await listed(merchant_id="mer_b") == {"mer_b": payments["mer_b"]}
        assert await listed(merchant_id="mer_c") == {}


async def test_a_verb_finds_its_payment_by_the_id_alone(
    service: Service, engine: AsyncEngine, payments: dict[str, str]
) -> None:
    for transaction_id in payments.values():
        await service.admin.ReleaseHold(release(transaction_id))

    assert {one.merchant_id: one.subject for one in await log(service)} == payments
    (only,) = await log(service, merchant_id="mer_b")
    assert only.subject == payments["mer_b"]


async def test_a_step_of_any_merchant_is_requeued(
    service: Service, engine: AsyncEngine, payments: dict[str, str]
) -> None:
    await run(engine, "UPDATE payments SET hold_reason = 'step_failed', due_at = NULL")
    page = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())

    for letter in page.dead_letters:
        await service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))

    assert await rows(engine, "SELECT count(*) FROM payments WHERE hold_reason IS NULL") == [(2,)]
    assert {one.merchant_id for one in await log(service)} == set(payments)
