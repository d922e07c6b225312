"""Adjustments of the book: always by two people, within what stands on the accounts, once; and
`verify` knows one from a posting that somebody has added."""

from typing import Any
from uuid import UUID

import pytest
from caravel.payments.v1 import inspection_pb2, proposals_pb2, verbs_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.adjusted import AGREED
from services.payments.audit.checks import PostgresAudit
from tests.poison import UNGUARDED, rows, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import (
    WRITTEN_OFF,
    refused,
    unknown_payout,
    with_suspense,
)
from tests.wire.payments.operators.proposals import Proposal, Two, two

POSTED = "an adjustment is posted once, as it is on record"
SUSPENSE = "on suspense is what providers have moved and no payment counts"
BOOK = (
    POSTED,
    SUSPENSE,
    AGREED,
    "every balance is the sum of its postings",
    "every posting is between accounts of the book, in their currency",
    "the balances of a currency add up to nothing",
)
BALANCE = "SELECT balance_minor FROM balances WHERE account = :account"


@pytest.fixture
async def pair(service: Service, engine: AsyncEngine) -> Two:
    return await two(service, engine)


def wanted(transaction_id: str, **changes: Any) -> verbs_pb2.AdjustPaymentRequest:
    fields: dict[str, Any] = {**WRITTEN_OFF, **changes}
    return verbs_pb2.AdjustPaymentRequest(transaction_id=transaction_id, **fields)


async def proposed(pair: Two, transaction_id: str, **changes: Any) -> Proposal:
    request = proposals_pb2.CreateProposalRequest(
        adjust_payment=wanted(transaction_id, **changes), reason="too small to give back"
    )
    return await pair.propose(request)


async def previewed(service: Service, transaction_id: str, **changes: Any) -> Any:
    request = verbs_pb2.PreviewVerbRequest(adjust_payment=wanted(transaction_id, **changes))
    return await service.verbs.PreviewVerb(request)


async def balance(engine: AsyncEngine, account: str) -> int:
    return sum(int(one) for (one,) in await rows(engine, BALANCE, account=account))


async def broken(engine: AsyncEngine) -> set[str]:
    report = await PostgresAudit(engine, overdue_seconds=600).report()
    # The payment was put into its state, and has neither a whole history nor a whole book.
    return {finding.invariant for finding in report.broken} & set(BOOK)


async def test_money_on_suspense_is_written_off_by_two_people(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    payment_id, transaction_id = await with_suspense(engine)
    due = "SELECT due_at, state, hold_reason, deadline_at FROM payments WHERE id = :id"
    await run(engine, "UPDATE payments SET due_at = now() + interval '1 h'")
    before = await rows(engine, due, id=payment_id)
    assert await broken(engine) == set()

    preview = await previewed(service, transaction_id)
    assert preview.needs_second_person
    [posting] = preview.postings
    assert (posting.debit, posting.credit, posting.amount, posting.currency) == (
        "suspense:stripe:USD",
        "adjustments:USD",
        "1.00",
        "USD",
    )
    assert await balance(engine, "adjustments:USD") == 0

    proposal = await proposed(pair, transaction_id)
    assert '"evidence":"statement, line 12"' in proposal.payload
    assert (await refused(pair.approve(proposal, by="lin")))[1] == "APPROVER_IS_PROPOSER"
    await pair.approve(proposal)

    assert await balance(engine, "suspense:stripe:USD") == 0
    assert await balance(engine, "adjustments:USD") == -100
    assert await rows(engine, due, id=payment_id) == before
    assert await broken(engine) == set()
    request = inspection_pb2.InspectPaymentRequest(transaction_id=transaction_id)
    shown = await service.inspection.InspectPayment(request)
    assert shown.events[-1].cause == "adjusted"
    assert "ADJUST_PAYMENT" in {action.action for action in shown.actions}
    # It can be taken back.
    assert ":adjust" in shown.next.verbs


async def test_the_same_adjustment_is_not_made_twice(
    pair: Two, service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await with_suspense(engine)
    part = {"amount_minor": 40}
    proposal = await proposed(pair, transaction_id, **part)
    await pair.approve(proposal)
    # A repeated approval is answered with the first.
    await pair.approve(proposal)
    again = await previewed(service, transaction_id, **part)
    assert (again.refusal.reason, again.refusal.metadata["proposal_id"]) == (
        "ADJUSTMENT_EXISTS",
        proposal.proposal_id,
    )

    other = await proposed(pair, transaction_id, evidence="line 13", **part)
    await pair.approve(other)
    assert await balance(engine, "adjustments:USD") == -80
    back = await previewed(
        service,
        transaction_id,
        debit=WRITTEN_OFF["credit"],
        credit=WRITTEN_OFF["debit"],
        evidence="line 14: a mistake",
        amount_minor=80,
    )
    assert not back.HasField("refusal")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_minor": 101}, "ADJUSTMENT_TOO_LARGE"),
        (
            {"debit": "adjustments:USD", "credit": "suspense:stripe:USD"},
            "ADJUSTMENT_TOO_LARGE",
        ),
        ({"debit": "suspense:wise:USD"}, "ADJUSTMENT_TOO_LARGE"),
        ({"debit": "payments:USD"}, "ACCOUNT_NOT_ADJUSTABLE"),
        ({"debit": "onramp:stripe:USD"}, "ACCOUNT_NOT_ADJUSTABLE"),
        ({"credit": "onramp:wise:USD"}, "ACCOUNT_NOT_ADJUSTABLE"),
        ({"debit": "suspense:a:b:USD"}, "ACCOUNT_NOT_ADJUSTABLE"),
        ({"credit": "adjustments:EUR"}, "ADJUSTMENT_UNBALANCED"),
        ({"currency": "EUR"}, "ADJUSTMENT_UNBALANCED"),
        ({"credit": "suspense:stripe:USD"}, "ADJUSTMENT_UNBALANCED"),
    ],
)
async def test_an_adjustment_beyond_what_stands_there_is_refused(
    changes: dict[str, Any], reason: str, service: Service, pair: Two, engine: AsyncEngine
) -> None:
    _, transaction_id = await with_suspense(engine)

    preview = await previewed(service, transaction_id, **changes)
    assert preview.refusal.reason == reason
    call = proposed(pair, transaction_id, **changes)
    assert (await refused(call))[:2] == ("FAILED_PRECONDITION", reason)


async def test_a_request_that_is_wrong_is_refused_itself(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await with_suspense(engine)
    for wrong in (
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"currency": "XYZ"},
        {"currency": ""},
        {"evidence": ""},
        {"debit": "\x00"},
    ):
        found = await refused(previewed(service, transaction_id, **wrong))
        assert found[0] == "INVALID_ARGUMENT", wrong
    found = await refused(previewed(service, transaction_id, amount_minor=10**15 + 1))
    assert found[:2] == ("OUT_OF_RANGE", "AMOUNT_ABOVE_MAXIMUM")


async def test_no_adjustment_is_made_while_the_money_may_still_move(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)

    preview = await previewed(service, transaction_id)

    assert preview.refusal.reason == "PAYMENT_NOT_ADJUSTABLE"
    assert preview.refusal.metadata["key"].startswith(transaction_id)


async def test_money_that_a_provider_gave_back_leaves_both_accounts(
    pair: Two, engine: AsyncEngine
) -> None:
    credit = "onramp:stripe:USD"
    _, transaction_id = await with_suspense(engine)

    await pair.approve(await proposed(pair, transaction_id, credit=credit))

    assert await balance(engine, "suspense:stripe:USD") == 0
    assert await balance(engine, credit) == 0
    assert await broken(engine) == set()


OTHER = "(SELECT id FROM payments WHERE id <> :id)"
TAMPERED = {
    "UPDATE adjustments SET amount_minor = 60": {POSTED, SUSPENSE, AGREED},
    "UPDATE postings SET amount_minor = 60 WHERE cause = 'adjustment'": {POSTED, SUSPENSE},
    "UPDATE adjustments SET evidence = 'another'": {AGREED},
    "DELETE FROM adjustments": {POSTED, SUSPENSE, AGREED},
    "UPDATE proposals SET approver_person = proposer_person": {AGREED},
    "UPDATE proposals SET payload = '\\xff'": {AGREED},
    "UPDATE adjustments SET transaction_id = 'pay_1'": {AGREED},
    # All of it moved to another payment, so that each sum is as it was.
    f"UPDATE adjustments SET payment_id = {OTHER}; "
    f"UPDATE postings SET payment_id = {OTHER} WHERE cause = 'adjustment'": {AGREED},
    # Somebody's own posting, under the name of one that was agreed on.
    "INSERT INTO postings SELECT merchant_id, payment_id, sequence, 9, debit, credit, currency, "
    "amount_minor, cause, now() FROM postings WHERE cause = 'adjustment'": {POSTED, SUSPENSE},
}


@pytest.mark.parametrize("damage", TAMPERED)
async def test_an_adjustment_that_was_tampered_with_is_found(
    damage: str, pair: Two, engine: AsyncEngine
) -> None:
    payment_id, transaction_id = await with_suspense(engine)
    await with_suspense(engine)
    await pair.approve(await proposed(pair, transaction_id))
    assert await broken(engine) == set()

    await _tamper(engine, damage, payment_id)

    assert TAMPERED[damage] <= await broken(engine)


async def _tamper(engine: AsyncEngine, damage: str, payment_id: UUID) -> None:
    for statement in (UNGUARDED, *damage.split("; ")):
        values = {"id": payment_id} if ":id" in statement else {}
        await run(engine, statement, **values)
