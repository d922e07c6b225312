"""Operators pause and resume providers and corridors: nothing new begins with a paused one, and who
did it, when and why, is kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, pauses_pb2, payments_pb2, proposals_pb2
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.makers import USER
from tests.poison import run
from tests.wire.payments.calls import new_key, order
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.operators.calls import actions, refusals, refused
from tests.wire.payments.operators.proposals import two

Pause = pauses_pb2.Pause
QUOTE = payments_pb2.CreateQuoteRequest(amount_usd="100.00", destination_currency="NGN")


def in_hours(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def corridor(**fields: Any) -> pauses_pb2.PauseCorridorRequest:
    return pauses_pb2.PauseCorridorRequest(
        **{"corridor_id": "us-ng", "reason": "maintenance", **fields}
    )


def provider(name: str, **fields: Any) -> pauses_pb2.PauseProviderRequest:
    return pauses_pb2.PauseProviderRequest(**{"provider": name, "reason": "outage", **fields})


def resume_corridor(**fields: Any) -> pauses_pb2.ResumeCorridorRequest:
    return pauses_pb2.ResumeCorridorRequest(
        **{"corridor_id": "us-ng", "reason": "it is well again", **fields}
    )


async def pauses(service: Service, **fields: Any) -> list[Pause]:
    listed = await service.pauses.ListPauses(pauses_pb2.ListPausesRequest(**fields))
    return list(listed.pauses)


async def corridors(service: Service) -> dict[str, Any]:
    listed = await service.payments.ListCorridors(payments_pb2.ListCorridorsRequest())
    return {one.corridor_id: one for one in listed.corridors}


def under(quote: payments_pb2.Quote) -> payments_pb2.CreatePaymentRequest:
    return payments_pb2.CreatePaymentRequest(
        user_id=str(USER), amount_usd="100.00", destination_currency="NGN", quote_id=quote.quote_id
    )


async def test_a_paused_corridor_is_neither_quoted_nor_created_until_it_is_resumed(
    service: Service,
) -> None:
    quote = await service.payments.CreateQuote(QUOTE)
    made = await service.pauses.PauseCorridor(corridor())

    for call in (
        service.payments.CreateQuote(QUOTE),
        service.payments.CreatePayment(order(), metadata=new_key()),
        service.payments.CreatePayment(under(quote), metadata=new_key()),
    ):
        assert await refused(call) == ("UNAVAILABLE", "CORRIDOR_PAUSED", "60")
    shown = await corridors(service)
    assert [name for name, one in shown.items() if one.paused] == ["us-ng"]

    ended = await service.pauses.ResumeCorridor(resume_corridor())

    assert [one.pause_id for one in ended.pauses] == [made.pause_id]
    assert not (await corridors(service))["us-ng"].paused
    payment = await service.payments.CreatePayment(under(quote), metadata=new_key())
    assert payment.quote_id == quote.quote_id


async def test_a_payment_that_exists_is_answered_again_during_a_pause(service: Service) -> None:
    key = new_key()
    first = await service.payments.CreatePayment(order(), metadata=key)
    await service.pauses.PauseCorridor(corridor())

    assert await service.payments.CreatePayment(order(), metadata=key) == first


async def test_a_payment_goes_to_the_next_offramp_that_is_not_paused(service: Service) -> None:
    first, second, *_ = (await corridors(service))["us-ng"].offramps
    quote = await service.payments.CreateQuote(QUOTE)
    await service.pauses.PauseProvider(provider(first))

    paid_by = [
        (await service.payments.CreatePayment(request, metadata=new_key())).offramp
        for request in (order(), under(quote))
    ]

    assert paid_by == [second, second]
    assert not (await corridors(service))["us-ng"].paused


@pytest.mark.parametrize("leg", ["onramps", "offramps"])
async def test_with_no_provider_left_a_payment_is_refused(service: Service, leg: str) -> None:
    quote = await service.payments.CreateQuote(QUOTE)
    for name in getattr((await corridors(service))["us-ng"], leg):
        await service.pauses.PauseProvider(provider(name))

    for call in (
        service.payments.CreateQuote(QUOTE),
        service.payments.CreatePayment(order(), metadata=new_key()),
        service.payments.CreatePayment(under(quote), metadata=new_key()),
    ):
        assert await refused(call) == ("UNAVAILABLE", "PROVIDER_PAUSED", "60")
    assert (await corridors(service))["us-ng"].paused


async def test_a_pause_ends_by_itself_and_makes_room_for_another(
    service: Service, engine: AsyncEngine
) -> None:
    first = await service.pauses.PauseCorridor(corridor(ends_at=in_hours(1)))
    await run(engine, "UPDATE pauses SET starts_at = starts_at - interval '2 h', ends_at = now()")

    await service.payments.CreateQuote(QUOTE)
    assert await pauses(service, in_force=True) == []
    again = await service.pauses.PauseCorridor(corridor())

    assert [(one.pause_id, one.in_force) for one in await pauses(service)] == [
        (again.pause_id, True),
        (first.pause_id, False),
    ]
    assert (await pauses(service))[1].ended_by == ""


async def test_a_pause_keeps_who_when_and_why_and_so_does_its_end(service: Service) -> None:
    await service.pauses.PauseCorridor(corridor(ends_at=in_hours(1)))
    await service.pauses.PauseProvider(provider("stripe"))
    await service.pauses.ResumeCorridor(resume_corridor())

    newest, oldest = await pauses(service)

    assert (newest.kind, newest.name, newest.in_force) == (Pause.PROVIDER, "stripe", True)
    assert not newest.HasField("ends_at")
    assert (oldest.kind, oldest.name, oldest.in_force) == (Pause.CORRIDOR, "us-ng", False)
    assert (oldest.reason, oldest.paused_by) == ("maintenance", "ada")
    assert (oldest.end_reason, oldest.ended_by) == ("it is well again", "ada")
    assert oldest.starts_at.ToDatetime() <= oldest.ended_at.ToDatetime()
    assert [one.name for one in await pauses(service, in_force=True)] == ["stripe"]
    assert await actions(service) == [
        ("ada", "RESUME_CORRIDOR", "us-ng", "it is well again"),
        ("ada", "PAUSE_PROVIDER", "stripe", "outage"),
        ("ada", "PAUSE_CORRIDOR", "us-ng", "maintenance"),
    ]


async def test_the_pauses_come_in_pages(service: Service) -> None:
    for name in ("us-ng", "us-in", "us-jp"):
        await service.pauses.PauseCorridor(corridor(corridor_id=name))

    request = pauses_pb2.ListPausesRequest(page_size=2)
    first = await service.pauses.ListPauses(request)
    request.page_token = first.next_page_token
    second = await service.pauses.ListPauses(request)

    assert [one.name for page in (first, second) for one in page.pauses] == [
        *("us-jp", "us-in", "us-ng")
    ]
    assert second.next_page_token == ""


@pytest.mark.parametrize(
    ("first", "second", "is_new"),
    [
        ({}, {}, False),
        ({}, {"ends_at": 2.0}, False),
        ({"ends_at": 2.0}, {"ends_at": 1.0}, False),
        ({"ends_at": 1.0}, {"ends_at": 2.0}, True),
        ({"ends_at": 1.0}, {}, True),
        ({}, {"under_way": Pause.WAIT, "ends_at": 1.0}, True),
        ({"under_way": Pause.WAIT, "ends_at": 1.0}, {}, True),
    ],
)
async def test_only_a_longer_pause_takes_the_place_of_another(
    service: Service, first: dict[str, Any], second: dict[str, Any], is_new: bool
) -> None:
    def request(fields: dict[str, Any]) -> pauses_pb2.PauseCorridorRequest:
        end = {"ends_at": in_hours(fields["ends_at"])} if "ends_at" in fields else {}
        return corridor(**{**fields, **end})

    made = await service.pauses.PauseCorridor(request(first))
    again = service.pauses.PauseCorridor(request(second))

    if not is_new:
        assert (await refused(again))[:2] == ("FAILED_PRECONDITION", "PAUSE_EXISTS")
        assert await refusals(service) == [("ada", "PAUSE_CORRIDOR", "us-ng", "PAUSE_EXISTS")]
        return
    other = await again
    open_ids = {one.pause_id for one in await pauses(service, in_force=True)}
    same = made.under_way == other.under_way
    assert open_ids == ({other.pause_id} if same else {made.pause_id, other.pause_id})
    ended = await service.pauses.ResumeCorridor(resume_corridor())
    assert {one.pause_id for one in ended.pauses} == open_ids


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"corridor_id": ""}, "FIELD_REQUIRED"),
        ({"corridor_id": "us-xx"}, "CORRIDOR_UNSUPPORTED"),
        ({"corridor_id": "x" * 65}, "FIELD_INVALID"),
        ({"corridor_id": "us-ng\x00"}, "CHARACTER_FORBIDDEN"),
        ({"reason": ""}, "FIELD_REQUIRED"),
        ({"reason": "x" * 501}, "FIELD_INVALID"),
        ({"reason": "a\nb"}, "CHARACTER_FORBIDDEN"),
        ({"under_way": 7}, "FIELD_INVALID"),
        ({"under_way": Pause.WAIT}, "FIELD_REQUIRED"),
        ({"ends_at": in_hours(-1)}, "FIELD_INVALID"),
        ({"under_way": Pause.WAIT, "ends_at": in_hours(25)}, "FIELD_INVALID"),
    ],
)
async def test_a_pause_that_makes_no_sense_changes_nothing(
    service: Service, fields: dict[str, Any], reason: str
) -> None:
    assert (await refused(service.pauses.PauseCorridor(corridor(**fields))))[1] == reason

    assert await pauses(service) == []
    assert await actions(service) == []


@pytest.mark.parametrize("name", ["wise2", "us-ng", "Stripe", "*", "%"])
async def test_only_a_provider_of_a_corridor_is_paused(service: Service, name: str) -> None:
    call = service.pauses.PauseProvider(provider(name))

    assert (await refused(call))[:2] == ("NOT_FOUND", "PROVIDER_NOT_FOUND")
    assert await refusals(service) == [("ada", "PAUSE_PROVIDER", name, "PROVIDER_NOT_FOUND")]


async def test_a_resume_is_not_done_twice(service: Service) -> None:
    await service.pauses.PauseCorridor(corridor())
    await service.pauses.ResumeCorridor(resume_corridor())

    again = service.pauses.ResumeCorridor(resume_corridor())

    assert (await refused(again))[:2] == ("NOT_FOUND", "PAUSE_NOT_FOUND")
    # Nor is a provider resumed by a corridor's name.
    other = pauses_pb2.ResumeProviderRequest(provider="us-ng", reason="x")
    assert (await refused(service.pauses.ResumeProvider(other)))[1] == "PAUSE_NOT_FOUND"


@pytest.mark.parametrize(
    "change",
    [
        "ended_at = NULL",
        "ended_at = now(), ended_by = 'eve'",
        "end_reason = 'another'",
    ],
)
async def test_the_database_itself_lets_nobody_take_back_the_end_of_a_pause(
    service: Service, engine: AsyncEngine, change: str
) -> None:
    await service.pauses.PauseCorridor(corridor())
    await service.pauses.ResumeCorridor(resume_corridor())

    with pytest.raises(DBAPIError, match="what was decided in pauses stands"):
        await run(engine, f"UPDATE pauses SET {change}")


@pytest.fixture
async def strict(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose policy asks for two people to resume."""
    file = tmp_path / "policy.toml"
    file.write_text(
        "[second_person.RATE_OVERRIDE]\n[second_person.RESUME_CORRIDOR]\n"
        "[second_person.RESUME_PROVIDER]\n"
    )
    async with serving_payments(engine, CORRIDORS, policy=file) as service:
        yield service


async def test_by_policy_one_person_pauses_and_two_resume(
    strict: Service, engine: AsyncEngine
) -> None:
    pair = await two(strict, engine)
    await strict.pauses.PauseCorridor(corridor(), metadata=pair.as_("lin"))
    alone = strict.pauses.ResumeCorridor(resume_corridor(), metadata=pair.as_("lin"))
    assert (await refused(alone))[1] == "APPROVAL_REQUIRED"

    request = proposals_pb2.CreateProposalRequest(
        resume_corridor=pauses_pb2.ResumeCorridorRequest(corridor_id="us-ng"),
        reason="it is well again",
    )
    proposal = await pair.propose(request)
    assert [one.in_force for one in await pauses(strict)] == [True]
    await pair.approve(proposal)

    (ended,) = await pauses(strict)
    assert (ended.in_force, ended.ended_by) == (False, "mae")
    assert ended.end_reason == f"{proposal.proposal_id} of lin"
    assert not (await corridors(strict))["us-ng"].paused


async def test_a_proposed_resume_fails_where_the_target_was_paused_again_since(
    strict: Service, engine: AsyncEngine
) -> None:
    pair = await two(strict, engine)
    request = proposals_pb2.CreateProposalRequest(
        resume_provider=pauses_pb2.ResumeProviderRequest(provider="stripe"), reason="well again"
    )
    assert (await refused(pair.propose(request)))[1] == "PAUSE_NOT_FOUND"
    await strict.pauses.PauseProvider(provider("stripe"), metadata=pair.as_("lin"))
    proposal = await pair.propose(request)
    waits = provider("stripe", under_way=Pause.WAIT, ends_at=in_hours(1))
    await strict.pauses.PauseProvider(waits, metadata=pair.as_("lin"))

    assert (await refused(pair.approve(proposal)))[1] == "TARGET_CHANGED"
    assert len(await pauses(strict, in_force=True)) == 2


async def test_the_reason_of_a_proposed_resume_stands_in_one_place(
    strict: Service, engine: AsyncEngine
) -> None:
    pair = await two(strict, engine)
    request = proposals_pb2.CreateProposalRequest(resume_corridor=resume_corridor(), reason="x")

    assert (await refused(pair.propose(request)))[1] == "FIELDS_CONTRADICTORY"
    listed = await strict.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    assert list(listed.actions) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, 4),
        ({"operator": "lin"}, 2),
        ({"operator": "li"}, 0),
        ({"action": "PAUSE_CORRIDOR"}, 3),
        ({"subject": "us-ng"}, 3),
        ({"operator": "lin", "action": "PAUSE_CORRIDOR", "subject": "us-in"}, 1),
        ({"acted_after": in_hours(-1), "acted_before": in_hours(1)}, 4),
        ({"acted_after": in_hours(1)}, 0),
        ({"acted_before": in_hours(-1)}, 0),
    ],
)
async def test_the_log_is_filtered_by_operator_action_subject_and_time(
    service: Service, engine: AsyncEngine, wanted: dict[str, Any], found: int
) -> None:
    pair = await two(service, engine)
    await service.pauses.PauseCorridor(corridor(), metadata=pair.as_("lin"))
    await service.pauses.PauseCorridor(corridor(corridor_id="us-in"), metadata=pair.as_("lin"))
    await refused(service.pauses.PauseCorridor(corridor(), metadata=pair.as_("mae")))
    await service.pauses.ResumeCorridor(resume_corridor(), metadata=pair.as_("mae"))

    listed = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest(**wanted))

    assert len(listed.actions) == found


@pytest.mark.parametrize("field", ["merchant_id", "operator", "action", "subject"])
@pytest.mark.parametrize("text", ["x" * 256, "a\x00b"])
async def test_a_filter_of_the_log_that_makes_no_sense_is_refused(
    service: Service, field: str, text: str
) -> None:
    request = admin_pb2.ListOperatorActionsRequest(**{field: text})

    reason = (await refused(service.admin.ListOperatorActions(request)))[1]
    assert reason in ("FIELD_INVALID", "CHARACTER_FORBIDDEN")
