"""The overview: all payments counted as they stand."""

from datetime import UTC, timedelta

from caravel.payments.v1 import overview_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.mesh.ports import BreakerState
from services.payments.model.attempt import Step
from services.payments.operators.store.overview import PostgresOverview
from services.shared.corridors import CorridorUnsupported
from services.shared.errors import Unavailable
from tests.poison import run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import new_payment, unknown_payout


async def _seen(service: Service) -> overview_pb2.Overview:
    return await service.overview.GetOverview(overview_pb2.GetOverviewRequest())


async def test_payments_are_counted_as_they_stand(service: Service, engine: AsyncEngine) -> None:
    await unknown_payout(engine)
    done = await new_payment(engine)
    await new_payment(engine)
    await run(
        engine,
        "UPDATE payments SET created_at = now()",
        "UPDATE payments SET state = 'COMPLETED', due_at = NULL, "
        "updated_at = created_at + interval '90 s' WHERE id = :done",
        done=done,
    )

    seen = await _seen(service)

    assert [(one.state, one.age, one.payments, one.amount_usd) for one in seen.under_way] == [
        ("CREATED", "0", 1, "100.00")
    ]
    [held] = seen.waiting
    assert (held.waiting_for, held.hold_reason, held.payments) == ("ON_HOLD", "outcome_unknown", 1)
    assert (held.amount_usd, held.past_deadline) == ("100.00", 0)
    assert (seen.completion.payments, seen.completion.median_seconds) == (1, 90.0)
    [corridor] = seen.corridors
    assert (corridor.payments, corridor.completed, corridor.not_completed) == (3, 1, 0)
    assert [(one.provider, one.step, one.succeeded, one.unknown) for one in seen.providers] == [
        ("local_wallet", "payout", 0, 1),
        ("stripe", "collection", 1, 0),
    ]
    assert {one.name: one.waiting for one in seen.queues} == {
        "payments": 1,
        "inbox": 0,
        "outbox": 0,
    }
    assert {one.source for one in seen.rates} == {"test"}
    assert not seen.is_partial


async def test_more_than_is_counted_is_said_to_be_more(engine: AsyncEngine) -> None:
    for _ in range(3):
        await new_payment(engine)

    standing = await PostgresOverview(engine, counted_max=2).read(())

    assert standing.is_partial
    assert sum(one.payments for one in standing.under_way) == 2


async def test_the_overview_is_read_once_for_all_who_look_within_a_second(
    service: Service, engine: AsyncEngine
) -> None:
    first = await _seen(service)

    assert (await _seen(service)).seen_at == first.seen_at


async def test_rates_that_nobody_gives_are_shown_with_their_reason(service: Service) -> None:
    service.rates.refuse("us-ng", CorridorUnsupported(corridor_id="us-ng"))

    seen = await _seen(service)

    reasons = {one.corridor_id: one.unavailable_reason for one in seen.rates}
    assert reasons.pop("us-ng") == "CORRIDOR_UNSUPPORTED"
    assert set(reasons.values()) == {""}


async def test_events_that_are_not_applied_are_counted_by_provider(
    service: Service, engine: AsyncEngine
) -> None:
    for number, state in enumerate(("PENDING", "PENDING", "SET_ASIDE", "UNMATCHED", "APPLIED")):
        await run(
            engine,
            """
            INSERT INTO webhook_inbox (provider, event_id, event_type, answer, body, state,
                   received_at)
            VALUES ('stripe', :id, 'paid', '{}', '', :state, now() - interval '1 minute')
            """,
            id=str(number),
            state=state,
        )

    [inbox] = (await _seen(service)).inbox

    assert (inbox.provider, inbox.waiting, inbox.set_aside, inbox.orphans) == ("stripe", 2, 1, 1)
    assert inbox.oldest_seconds >= 60


async def test_each_step_of_a_provider_has_its_breaker_and_since_when(
    service: Service, engine: AsyncEngine
) -> None:
    await unknown_payout(engine)
    service.providers.breaker_states = [
        BreakerState(
            provider="local_wallet",
            step=Step.PAYOUT,
            state="OPEN",
            lasts=timedelta(seconds=40),
        ),
        BreakerState(provider="wise", step=Step.PAYOUT, state="CLOSED", lasts=timedelta(hours=1)),
    ]

    seen = await _seen(service)

    rows = {
        (one.provider, one.step): (one.breaker, one.HasField("breaker_since"), one.unknown)
        for one in seen.providers
    }
    assert rows == {
        ("local_wallet", "payout"): ("OPEN", True, 1),
        ("stripe", "collection"): ("", False, 0),
        ("wise", "payout"): ("CLOSED", True, 0),
    }
    since = {one.provider: one.breaker_since.ToDatetime(UTC) for one in seen.providers}
    assert since["local_wallet"] == seen.seen_at.ToDatetime(UTC) - timedelta(seconds=40)


async def test_breakers_that_nobody_gives_are_not_known(
    service: Service, engine: AsyncEngine
) -> None:
    await unknown_payout(engine)
    service.providers.breaker_states = Unavailable("providers is away")

    seen = await _seen(service)

    assert {one.breaker for one in seen.providers} == {""}
