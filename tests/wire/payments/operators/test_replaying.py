"""Events that are sent to a merchant's endpoint again, and many dead letters at once, over gRPC."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from caravel.payments.v1 import admin_pb2, inspection_pb2, replays_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.operator import Operator
from services.payments.operators.replay_ports import DeliveryKey, ReplayWindow
from services.payments.operators.store.replays import PostgresReplays
from services.payments.webhooks_out.delivery import DeliveryState, TryResult
from services.payments.webhooks_out.store.outbox import PostgresOutbox
from services.shared.ids import encode_id, new_id
from tests.poison import rows, run, set_aside_event, set_aside_notice, set_aside_step
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import actions, letters, new_payment, refusals, refused

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
EVENT = """
    INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body, state,
           due_at, delivered_at, failures)
    VALUES ('sandbox', :payment, :sequence, :endpoint, 'payment.pending', 'bytes', :state, :at,
            CASE :state WHEN 'DELIVERED' THEN CAST(:at AS timestamptz) END, 2)
"""
ENDPOINT = """
    INSERT INTO webhook_endpoints (merchant_id, id, url, secret)
    VALUES ('sandbox', :id, 'https://shop.example/hook', 'whsec')
"""
WAITING = """
    SELECT sequence FROM outbox
     WHERE state = 'PENDING' AND due_at <= now() AND endpoint_id = :id ORDER BY sequence
"""


async def _endpoint(engine: AsyncEngine) -> UUID:
    endpoint = new_id()
    await run(engine, ENDPOINT, id=endpoint)
    return endpoint


async def _event(
    engine: AsyncEngine,
    payment: UUID,
    endpoint: UUID,
    sequence: int,
    state: str = "DELIVERED",
    *,
    days: int = 1,
) -> str:
    """The id of an event that was tried last so many days after the first of November."""
    values = {"payment": payment, "endpoint": endpoint, "sequence": sequence, "state": state}
    await run(engine, EVENT, at=SINCE + timedelta(days=days), **values)
    return _key(payment, endpoint, sequence)


def _key(payment: UUID, endpoint: UUID, sequence: int = 1) -> str:
    key = DeliveryKey(payment_id=payment, sequence=sequence, position=0, endpoint_id=endpoint)
    return key.delivery_id


async def _once(service: Service, delivery_id: str, before: datetime) -> replays_pb2.Replay:
    request = replays_pb2.ReplayDeliveryRequest(delivery_id=delivery_id, note="asked for")
    request.tried_before.FromDatetime(before)
    return await service.replays.ReplayDelivery(request)


async def _since(
    service: Service, endpoint: str, since: datetime, before: datetime
) -> replays_pb2.Replay:
    request = replays_pb2.ReplayEndpointRequest(endpoint_id=endpoint)
    request.tried_since.FromDatetime(since)
    request.tried_before.FromDatetime(before)
    return await service.replays.ReplayEndpoint(request)


async def _waiting(engine: AsyncEngine, endpoint: UUID) -> list[int]:
    return [sequence for (sequence,) in await rows(engine, WAITING, id=endpoint)]


@pytest.mark.parametrize("state", ["DELIVERED", "SET_ASIDE", "DISCARDED"])
async def test_an_event_is_sent_again_once_for_a_time(
    state: str, service: Service, engine: AsyncEngine
) -> None:
    payment, endpoint = await new_payment(engine), await _endpoint(engine)
    delivery_id = await _event(engine, payment, endpoint, 1, state)
    request = inspection_pb2.InspectPaymentRequest(transaction_id=encode_id("pay", payment))
    [shown] = (await service.inspection.InspectPayment(request)).deliveries
    assert shown.delivery_id == delivery_id
    now = datetime.now(UTC)

    assert (await _once(service, delivery_id, now)).events == 1
    [sent] = await PostgresOutbox(engine).claim({}, each=9, limit=9, lease_seconds=30)
    assert (sent.body, sent.failures, sent.endpoint_id) == (b"bytes", 0, endpoint)
    done = TryResult(state=DeliveryState.DELIVERED, failures=0)
    assert await PostgresOutbox(engine).settle([(sent, done)]) == [True]
    assert (await _once(service, delivery_id, now)).events == 0

    [action] = (await service.inspection.InspectPayment(request)).actions
    assert (action.action, action.subject, action.note, action.merchant_id) == (
        "REPLAY_DELIVERY",
        delivery_id,
        "asked for",
        "sandbox",
    )


async def test_a_late_result_of_the_last_try_says_nothing_about_the_next(
    service: Service, engine: AsyncEngine
) -> None:
    payment, endpoint = await new_payment(engine), await _endpoint(engine)
    await _event(engine, payment, endpoint, 1, "PENDING")
    outbox = PostgresOutbox(engine)
    [sent] = await outbox.claim({}, each=9, limit=9, lease_seconds=30)
    done = TryResult(state=DeliveryState.DELIVERED, failures=0)
    await outbox.settle([(sent, done)])

    assert (await _once(service, _key(payment, endpoint), datetime.now(UTC))).events == 1

    assert await outbox.settle([(sent, done)]) == [False]
    assert await _waiting(engine, endpoint) == [1]


async def test_an_event_under_way_is_left_to_its_try(service: Service, engine: AsyncEngine) -> None:
    payment, endpoint = await new_payment(engine), await _endpoint(engine)
    delivery_id = await _event(engine, payment, endpoint, 1, "PENDING")
    await PostgresOutbox(engine).claim({}, each=9, limit=9, lease_seconds=30)

    assert (await _once(service, delivery_id, datetime.now(UTC))).events == 0
    assert await actions(service) == []


async def test_an_endpoint_gets_what_was_tried_in_a_time(
    service: Service, engine: AsyncEngine
) -> None:
    payment, endpoint, other = (
        await new_payment(engine),
        await _endpoint(engine),
        await _endpoint(engine),
    )
    await _event(engine, payment, endpoint, 1, days=1)
    await _event(engine, payment, endpoint, 2, days=3)
    await _event(engine, payment, endpoint, 3, "SET_ASIDE", days=4)
    await _event(engine, payment, endpoint, 4, "DISCARDED", days=4)
    await _event(engine, payment, endpoint, 5, days=5)
    await _event(engine, payment, endpoint, 6, "PENDING", days=90)
    await _event(engine, payment, other, 2, days=3)
    since, before = SINCE + timedelta(days=2), SINCE + timedelta(days=5)
    endpoint_id = encode_id("whe", endpoint)

    replay = await _since(service, endpoint_id, since, before)

    assert (replay.events, replay.has_more) == (3, False)
    assert await _waiting(engine, endpoint) == [2, 3, 6]
    assert await _waiting(engine, other) == []
    assert (await _since(service, endpoint_id, since, before)).events == 0
    subject = f"{endpoint_id} from 2026-11-03T00:00:00Z to 2026-11-06T00:00:00Z"
    assert await actions(service) == [("ada", "REPLAY_ENDPOINT", subject, "")]


async def test_a_call_does_a_bounded_number_and_the_same_one_goes_on(
    service: Service, engine: AsyncEngine
) -> None:
    payment, endpoint = await new_payment(engine), await _endpoint(engine)
    for sequence in (1, 2, 3):
        await _event(engine, payment, endpoint, sequence, days=sequence)
    window = ReplayWindow(since=SINCE, before=SINCE + timedelta(days=9))
    store, ada = PostgresReplays(engine), Operator(name="ada", note="")

    first = await store.endpoint(endpoint, window, ada, limit=2)
    assert (first.events, first.has_more) == (2, True)
    assert await _waiting(engine, endpoint) == [1, 2]
    second = await store.endpoint(endpoint, window, ada, limit=2)
    assert (second.events, second.has_more) == (1, False)
    assert await _waiting(engine, endpoint) == [1, 2, 3]


async def test_a_replay_that_names_nothing_is_refused(
    service: Service, engine: AsyncEngine
) -> None:
    payment, endpoint = await new_payment(engine), await _endpoint(engine)
    known, now = await _event(engine, payment, endpoint, 1), datetime.now(UTC)
    endpoint_id = encode_id("whe", endpoint)
    for wrong in (_key(payment, new_id()), _key(new_id(), endpoint), "outbox_MDE5", "step_MDE5"):
        found = await refused(_once(service, wrong, now))
        assert found[:2] == ("NOT_FOUND", "DELIVERY_NOT_FOUND")
    for wrong in ("whe_1", encode_id("whe", new_id())):
        found = await refused(_since(service, wrong, SINCE, now))
        assert found[:2] == ("NOT_FOUND", "ENDPOINT_NOT_FOUND")
    later = now + timedelta(hours=1)
    for call in (
        _once(service, known, later),
        _since(service, endpoint_id, SINCE, later),
        _since(service, endpoint_id, now, SINCE),
        service.replays.ReplayDelivery(replays_pb2.ReplayDeliveryRequest(delivery_id=known)),
        service.replays.ReplayEndpoint(replays_pb2.ReplayEndpointRequest(endpoint_id=endpoint_id)),
    ):
        assert (await refused(call))[0] == "INVALID_ARGUMENT"

    await run(
        engine,
        "UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = 'gone' WHERE id = :id",
        id=endpoint,
    )
    for call in (_once(service, known, now), _since(service, endpoint_id, SINCE, now)):
        found = await refused(call)
        assert found[:2] == ("FAILED_PRECONDITION", "ENDPOINT_DISABLED")
    assert await _waiting(engine, endpoint) == []
    assert ("ada", "REPLAY_ENDPOINT", endpoint_id, "ENDPOINT_DISABLED") in await refusals(service)


async def _requeue(service: Service, **fields: Any) -> replays_pb2.RequeueDeadLettersResponse:
    request = replays_pb2.RequeueDeadLettersRequest(note="asked for", **fields)
    return await service.replays.RequeueDeadLetters(request)


async def test_dead_letters_are_requeued_by_a_filter_that_is_named(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await new_payment(engine)
    await set_aside_event(engine, payment)
    await set_aside_notice(engine, payment)
    endpoint = await _endpoint(engine)
    for sequence in (2, 3):
        await _event(engine, payment, endpoint, sequence, "SET_ASIDE")
    before = {letter.dead_letter_id: letter.reason for letter in await letters(service)}
    assert len(before) == 4
    assert (await refused(_requeue(service)))[1] == "FIELD_REQUIRED"
    assert (await refused(_requeue(service, reason="any")))[0] == "INVALID_ARGUMENT"
    assert (await refused(_requeue(service, endpoint_id="whe_1")))[0] == "INVALID_ARGUMENT"
    assert list((await _requeue(service, merchant_id="mer_nobody")).dead_letter_ids) == []

    done = await _requeue(service, endpoint_id=encode_id("whe", endpoint))
    assert (len(done.dead_letter_ids), list(done.refused), done.next_page_token) == (2, [], "")
    assert await _waiting(engine, endpoint) == [2, 3]
    left = await letters(service)
    assert sorted(one.reason for one in left) == ["delivery_failed", "event_failed"]

    done = await _requeue(service, reason="event_failed", merchant_id="sandbox")
    assert [before[one] for one in done.dead_letter_ids] == ["event_failed"]
    assert [one.reason for one in await letters(service)] == ["delivery_failed"]
    assert [one[1] for one in await actions(service)] == ["REQUEUE_DEAD_LETTER"] * 3


async def test_one_that_cannot_be_requeued_is_named_and_the_others_go_on(
    service: Service, engine: AsyncEngine
) -> None:
    broken = await new_payment(engine)
    await set_aside_step(engine, broken)
    await run(engine, "UPDATE payments SET route = '{}' WHERE id = :id", id=broken)
    for _ in range(2):
        await set_aside_notice(engine, broken)

    done = await _requeue(service, merchant_id="sandbox")

    assert len(done.dead_letter_ids) == 2
    assert [one.reason for one in done.refused] == ["PAYMENT_UNREADABLE"]
    [left] = await letters(service)
    assert left.dead_letter_id == done.refused[0].dead_letter_id


async def test_the_list_has_the_same_filters_as_the_verb(
    service: Service, engine: AsyncEngine
) -> None:
    payment, endpoint = await new_payment(engine), await _endpoint(engine)
    for sequence in (2, 3):
        await _event(engine, payment, endpoint, sequence, "SET_ASIDE")
    await set_aside_notice(engine, payment)
    wanted = {"endpoint_id": encode_id("whe", endpoint), "reason": "delivery_failed"}

    async def page(**fields: Any) -> admin_pb2.ListDeadLettersResponse:
        return await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(**fields))

    first = await page(page_size=1, **wanted)
    second = await page(page_size=1, page_token=first.next_page_token, **wanted)
    assert [len(one.dead_letters) for one in (first, second)] == [1, 1]
    assert second.next_page_token == ""
    other = {"page_token": first.next_page_token, "reason": "delivery_failed"}
    assert (await refused(page(**other)))[0] == "INVALID_ARGUMENT"
