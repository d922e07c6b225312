"""The verbs that two people agree on: the refusals of each, before and at its approval, and its
effect."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from caravel.payments.v1 import admin_pb2, payments_pb2, proposals_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.payment import Failure
from services.payments.operators.proposal import sha256_of
from services.shared.errors import Unavailable
from services.shared.ids import decode_id
from services.shared.money import Money
from tests.poison import rows, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import (
    actions,
    refusals,
    refused,
    release,
    resolve,
    unknown_payout,
)
from tests.wire.payments.operators.proposals import Two, override_request, two
from tests.wire.payments.sides import RECIPIENT

Proposal = proposals_pb2.Proposal
HOUR = timedelta(hours=1)
FAILED = admin_pb2.ResolveAttemptRequest.FAILED


class Stale(Unavailable):
    """The newest rate is too old."""

    reason = "FX_RATE_STALE"


@pytest.fixture
async def pair(service: Service, engine: AsyncEngine) -> Two:
    return await two(service, engine)


async def reason(call: Any) -> str:
    return (await refused(call))[1]


def now() -> datetime:
    return datetime.now(UTC)


async def quoted(service: Service) -> payments_pb2.Quote:
    request = payments_pb2.CreateQuoteRequest(
        amount_usd="100.00", destination_currency="NGN", recipient=RECIPIENT
    )
    return await service.payments.CreateQuote(request)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rate": "1600"}, "RATE_OVERRIDE_TOO_FAR"),
        ({"rate": "1400"}, "RATE_OVERRIDE_TOO_FAR"),
        ({"rate": "", "markup_basis_points": 301}, "RATE_OVERRIDE_TOO_FAR"),
        ({"ends_at": now() + 25 * HOUR}, "RATE_OVERRIDE_TOO_LONG"),
        ({"ends_at": now() - HOUR}, "RATE_OVERRIDE_TOO_LONG"),
        ({"corridor_id": "us-zz"}, "CORRIDOR_UNSUPPORTED"),
        ({"corridor_id": ""}, "FIELD_REQUIRED"),
        ({"rate": ""}, "FIELD_REQUIRED"),
        ({"markup_basis_points": 0}, "FIELDS_CONTRADICTORY"),
        ({"rate": "0"}, "AMOUNT_NOT_POSITIVE"),
        ({"rate": "-1540"}, "FIELD_INVALID"),
        ({"rate": "1e3"}, "FIELD_INVALID"),
        ({"rate": "NaN"}, "FIELD_INVALID"),
        ({"rate": "1.234567890123456789"}, "FIELD_INVALID"),
        ({"rate": "", "markup_basis_points": -1}, "FIELD_INVALID"),
        ({"ends_at": None}, "FIELD_REQUIRED"),
        ({"starts_at": now() + 3 * HOUR}, "FIELDS_CONTRADICTORY"),
    ],
)
async def test_an_override_that_could_not_be_approved_is_not_proposed(
    changes: dict[str, Any], expected: str, pair: Two, engine: AsyncEngine
) -> None:
    assert await reason(pair.propose(override_request(**changes))) == expected
    assert await rows(engine, "SELECT 1 FROM proposals") == []


async def test_a_proposal_needs_one_verb_and_a_reason(pair: Two) -> None:
    nothing = proposals_pb2.CreateProposalRequest(reason="why not")

    assert await reason(pair.propose(nothing)) == "FIELD_REQUIRED"
    assert await reason(pair.propose(override_request(reason=""))) == "FIELD_REQUIRED"


async def test_without_the_market_s_middle_there_is_no_override(
    service: Service, pair: Two
) -> None:
    proposal = await pair.propose()
    service.rates.broken["us-ng"] = Stale(pair="USD/NGN")

    assert await reason(pair.approve(proposal)) == "FX_RATE_STALE"
    assert await refusals(service) == [
        ("mae", "APPROVE_PROPOSAL", proposal.proposal_id, "FX_RATE_STALE")
    ]
    # The market may come back: the proposal waits.
    assert await pair.state(proposal) == "PROPOSED"
    assert await reason(pair.propose(override_request("again"))) == "FX_RATE_STALE"
    service.rates.broken.clear()
    assert (await pair.approve(proposal)).state == Proposal.APPROVED


async def test_an_override_that_the_market_has_left_waits_for_it_to_come_back(
    service: Service, pair: Two
) -> None:
    proposal = await pair.propose()
    service.rates.mid = "1480"

    assert await reason(pair.approve(proposal)) == "RATE_OVERRIDE_TOO_FAR"
    assert await pair.state(proposal) == "PROPOSED"
    assert await pair.overrides() == []
    service.rates.mid = "1530.25"
    assert (await pair.approve(proposal)).state == Proposal.APPROVED


async def test_an_override_whose_time_is_over_is_not_approved(
    pair: Two, engine: AsyncEngine
) -> None:
    proposal = await pair.propose()
    # As if it had waited: the database's owner puts a moment before now in the place of its end.
    end = f"{proposal.payload.split('ends_at')[1][3:29]}"
    assert end in proposal.payload
    changed = proposal.payload.replace(end, f"{now() - HOUR:%Y-%m-%dT%H:%M:%S.%f}")
    sha256 = sha256_of(changed)
    values = {"payload": changed.encode(), "sha256": sha256}
    await run(engine, "UPDATE proposals SET payload = :payload, payload_sha256 = :sha256", **values)

    late = pair.approve(proposal, payload_sha256=sha256)

    assert await reason(late) == "RATE_OVERRIDE_TOO_LONG"
    assert await pair.state(proposal) == "FAILED"


async def test_a_quote_is_priced_by_the_override_and_says_so(service: Service, pair: Two) -> None:
    before = await quoted(service)
    await pair.approve(await pair.propose())
    during = await quoted(service)
    [override] = await pair.overrides()
    end = proposals_pb2.EndRateOverrideRequest(override_id=override.override_id, note="calm again")
    ended = await pair.stub.EndRateOverride(end, metadata=pair.as_("lin"))
    after = await quoted(service)

    assert [one.rate_trail.mid_rate for one in (before, during, after)] == [
        "1530.25",
        "1540.5",
        "1530.25",
    ]
    assert during.rate_trail.override.override_id == override.override_id
    assert not after.rate_trail.HasField("override")
    assert (ended.ended_by, ended.in_force) == ("lin", False)
    again = await pair.stub.EndRateOverride(end, metadata=pair.as_("mae"))
    assert again == ended
    assert ("lin", "END_RATE_OVERRIDE", override.override_id, "calm again") in (
        await actions(service)
    )


async def test_the_stored_trail_names_both_people_and_the_reason(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    await pair.approve(await pair.propose())
    quote = await quoted(service)

    [(kept,)] = await rows(
        engine,
        "SELECT trail->'override' FROM quotes WHERE id = :id",
        id=decode_id("quo", quote.quote_id),
    )
    assert (kept["proposed_by"], kept["approved_by"]) == ("lin", "mae")
    assert (kept["reason"], kept["market_mid_rate"]) == ("thin market", "1530.25")


async def test_an_override_begins_when_it_says(service: Service, pair: Two) -> None:
    later = override_request(starts_at=now() + HOUR)
    await pair.approve(await pair.propose(later))

    assert (await quoted(service)).rate_trail.mid_rate == "1530.25"
    [override] = await pair.overrides()
    assert not override.in_force


async def test_an_override_ends_by_itself_and_makes_room_for_the_next(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    await pair.approve(await pair.propose())
    await run(
        engine,
        "UPDATE rate_overrides SET starts_at = now() - interval '1 hour', "
        "ends_at = clock_timestamp()",
    )

    assert (await quoted(service)).rate_trail.mid_rate == "1530.25"
    await pair.approve(await pair.propose(override_request("again")))
    newest, ended = await pair.overrides()
    assert (newest.in_force, ended.in_force) == (True, False)
    assert (ended.ended_by, ended.ended_at) == ("", ended.ends_at)


async def test_a_corridor_has_one_override_at_a_time(pair: Two) -> None:
    first = await pair.propose()
    await pair.approve(first)

    assert await reason(pair.propose(override_request("more"))) == "RATE_OVERRIDE_EXISTS"


async def test_an_unknown_override_is_not_found(pair: Two) -> None:
    request = proposals_pb2.EndRateOverrideRequest(override_id="ovr_nothing")

    assert await reason(pair.stub.EndRateOverride(request)) == "RATE_OVERRIDE_NOT_FOUND"


def releasing(transaction_id: str) -> proposals_pb2.CreateProposalRequest:
    return proposals_pb2.CreateProposalRequest(release_hold=release(transaction_id), reason="seen")


def resolving(transaction_id: str, **fields: Any) -> proposals_pb2.CreateProposalRequest:
    stated = resolve(transaction_id, **fields)
    return proposals_pb2.CreateProposalRequest(resolve_attempt=stated, reason="on the statement")


async def hold_of(engine: AsyncEngine, payment_id: UUID) -> str | None:
    [(reason,)] = await rows(
        engine, "SELECT hold_reason FROM payments WHERE id = :id", id=payment_id
    )
    return str(reason) if reason else None


async def test_a_release_that_two_people_agree_on_is_in_history_and_log(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    payment_id, transaction_id = await unknown_payout(engine)
    proposal = await pair.propose(releasing(transaction_id))

    assert proposal.merchant_id == "sandbox"
    assert await hold_of(engine, payment_id) == "outcome_unknown"
    await pair.approve(proposal)

    assert await hold_of(engine, payment_id) is None
    note = f"{proposal.proposal_id} of lin"
    assert ("mae", "RELEASE_HOLD", transaction_id, note) in await actions(service)


async def test_a_statement_that_two_people_agree_on_is_checked_with_the_provider_twice(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    service.providers.look_up_answers[Step.PAYOUT] = Answer(outcome=Outcome.FAILED)
    proposal = await pair.propose(resolving(transaction_id, outcome=FAILED))
    paid = Answer(outcome=Outcome.SUCCEEDED, provider_reference="w_7", amount=Money(100, "NGN"))
    service.providers.look_up_answers[Step.PAYOUT] = paid

    assert await reason(pair.approve(proposal)) == "PROVIDER_CONTRADICTS"

    assert await pair.state(proposal) == "FAILED"
    assert await rows(engine, "SELECT state FROM attempts WHERE step = 'payout'") == [("UNKNOWN",)]


async def test_a_statement_waits_where_the_provider_does_not_answer(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    service.providers.look_up_answers[Step.PAYOUT] = Answer(outcome=Outcome.FAILED)
    proposal = await pair.propose(resolving(transaction_id, outcome=FAILED))
    service.providers.look_up_answers[Step.PAYOUT] = Answer(
        outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="")
    )

    assert await reason(pair.approve(proposal)) == "PROVIDER_NOT_ASKED"
    assert await pair.state(proposal) == "PROPOSED"
    service.providers.look_up_answers[Step.PAYOUT] = Answer(outcome=Outcome.FAILED)
    assert (await pair.approve(proposal)).state == Proposal.APPROVED


async def test_an_agreed_statement_counts_once(
    service: Service, pair: Two, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    service.providers.look_up_answers[Step.PAYOUT] = Answer(outcome=Outcome.FAILED)
    proposal = await pair.propose(resolving(transaction_id, outcome=FAILED))

    await pair.approve(proposal)
    await pair.approve(proposal)

    assert await rows(
        engine, "SELECT state FROM attempts WHERE step = 'payout' AND number = 1"
    ) == [("FAILED",)]
    resolved = [one for one in await actions(service) if one[1] == "RESOLVE_ATTEMPT"]
    assert [one[0] for one in resolved] == ["mae"]


@pytest.mark.parametrize(
    "change",
    [
        "version = version + 1",
        "hold_reason = 'disputed'",
        "hold_reason = NULL, due_at = now(), deadline_at = NULL, waiting_since = NULL",
    ],
)
@pytest.mark.parametrize("request_of", [releasing, resolving])
async def test_a_payment_that_has_changed_since_is_left_as_it_is(
    change: str, request_of: Any, service: Service, pair: Two, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    service.providers.look_up_answers[Step.PAYOUT] = Answer(outcome=Outcome.SUCCEEDED)
    proposal = await pair.propose(request_of(transaction_id))
    await run(engine, f"UPDATE payments SET {change}")
    shown = await rows(engine, "SELECT version, state, hold_reason, due_at FROM payments")

    refusal = await reason(pair.approve(proposal))

    assert refusal in {"TARGET_CHANGED", "PAYMENT_NOT_ON_HOLD", "ATTEMPT_NOT_OPEN"}
    assert await pair.state(proposal) == "FAILED"
    assert await rows(engine, "SELECT version, state, hold_reason, due_at FROM payments") == shown


async def test_a_payment_that_a_worker_holds_can_be_approved_later(
    pair: Two, engine: AsyncEngine
) -> None:
    payment_id, transaction_id = await unknown_payout(engine)
    proposal = await pair.propose(releasing(transaction_id))
    await run(engine, "UPDATE payments SET lease_until = now() + interval '1 hour'")

    assert await reason(pair.approve(proposal)) == "PAYMENT_BUSY"
    assert await pair.state(proposal) == "PROPOSED"
    await run(engine, "UPDATE payments SET lease_until = NULL")
    await pair.approve(proposal)
    assert await hold_of(engine, payment_id) is None


async def test_a_payment_that_is_not_on_hold_is_no_target(pair: Two, engine: AsyncEngine) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(
        engine,
        "UPDATE payments SET hold_reason = NULL, due_at = now(), deadline_at = NULL, "
        "waiting_since = NULL",
    )

    assert await reason(pair.propose(releasing(transaction_id))) == "PAYMENT_NOT_ON_HOLD"
    assert await reason(pair.propose(resolving(transaction_id))) == "PAYMENT_NOT_ON_HOLD"
    assert await reason(pair.propose(releasing("pay_nothing"))) == "PAYMENT_NOT_FOUND"


async def test_the_reason_of_a_proposal_stands_in_one_place(pair: Two, engine: AsyncEngine) -> None:
    _, transaction_id = await unknown_payout(engine)
    request = releasing(transaction_id)
    request.release_hold.note = "and here"

    assert await reason(pair.propose(request)) == "FIELDS_CONTRADICTORY"
