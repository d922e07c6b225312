"""The effect of a pause, or of its end, on the payments that are under way, before it is done."""

from typing import Any

import pytest
from caravel.payments.v1 import pauses_pb2, verbs_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.attempt import AttemptState
from services.payments.model.payment import State
from tests.poison import rows, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import refused, with_payout
from tests.wire.payments.operators.test_pausing import (
    Pause,
    corridor,
    in_hours,
    pauses,
    provider,
    resume_corridor,
)

EVERYTHING = """
    SELECT (SELECT json_agg(p ORDER BY p.id) FROM pauses p)::text,
           (SELECT json_agg(p ORDER BY p.id) FROM payments p)::text,
           (SELECT count(*) FROM operator_actions)
"""


async def previewed(service: Service, **verb: Any) -> verbs_pb2.VerbPreview:
    return await service.verbs.PreviewVerb(verbs_pb2.PreviewVerbRequest(**verb))


async def under_way(engine: AsyncEngine) -> None:
    """Payments of us-ng: one whose payout was sent, one whose payout was not, one without any, one
    that is being refunded; one on hold, and one that is over."""
    sent, _ = await with_payout(engine, State.PAYING_OUT, AttemptState.SENT)
    intended, _ = await with_payout(engine, State.PAYING_OUT, AttemptState.INTENDED)
    bought, _ = await with_payout(engine, State.CONVERTED, None)
    refunding, _ = await with_payout(engine, State.REFUNDING, None)
    due = "UPDATE payments SET due_at = now(), deadline_at = NULL, waiting_since = NULL"
    for payment_id in (sent, intended, bought, refunding):
        await run(engine, f"{due} WHERE id = :id", id=payment_id)
    await with_payout(engine, State.PAYING_OUT, AttemptState.UNKNOWN, "outcome_unknown")
    await with_payout(engine, State.COMPLETED, AttemptState.SUCCEEDED)


def fates(preview: verbs_pb2.VerbPreview) -> dict[tuple[str, str, bool], tuple[int, bool]]:
    return {(one.state, one.step, one.sent): (one.payments, one.waits) for one in preview.under_way}


@pytest.mark.parametrize(
    ("verb", "waiting"),
    [
        ({"pause_corridor": corridor()}, set()),
        (
            {"pause_corridor": corridor(under_way=Pause.WAIT, ends_at=in_hours(2))},
            {("PAYING_OUT", "payout", False), ("CONVERTED", "payout", False)},
        ),
    ],
    ids=["FINISH", "WAIT"],
)
async def test_a_preview_of_a_pause_counts_the_payments_there_and_says_what_becomes_of_them(
    verb: dict[str, Any], waiting: set[tuple[str, str, bool]], service: Service, engine: AsyncEngine
) -> None:
    await under_way(engine)
    before = await rows(engine, EVERYTHING)

    preview = await previewed(service, **verb)

    assert await rows(engine, EVERYTHING) == before
    assert (preview.verb, preview.target, preview.transaction_id) == (
        "PAUSE_CORRIDOR",
        "us-ng",
        "",
    )
    # A refund waits for its provider and not for its corridor.
    kinds = {
        ("PAYING_OUT", "payout", True),
        ("PAYING_OUT", "payout", False),
        ("CONVERTED", "payout", False),
        ("REFUNDING", "refund", False),
    }
    assert fates(preview) == {one: (1, one in waiting) for one in kinds}
    assert (preview.waiting_now, preview.is_partial) == (0, False)


async def test_a_preview_of_a_resume_says_who_waits_and_that_they_go_on(
    service: Service, engine: AsyncEngine
) -> None:
    await under_way(engine)
    wait = {"under_way": Pause.WAIT, "ends_at": in_hours(2)}
    await service.pauses.PauseProvider(provider("local_wallet", **wait))
    other = await previewed(service, pause_corridor=corridor())
    assert other.waiting_now == 2
    assert sum(one.waits for one in other.under_way) == 2

    resume = pauses_pb2.ResumeProviderRequest(provider="local_wallet", reason="well again")
    preview = await previewed(service, resume_provider=resume)

    assert (preview.verb, preview.waiting_now) == ("RESUME_PROVIDER", 2)
    assert not any(one.waits for one in preview.under_way)
    assert sum(one.payments for one in preview.under_way) == 3
    assert len(await pauses(service, in_force=True)) == 1


async def test_a_preview_of_a_pause_shows_the_refusal_that_it_would_meet(
    service: Service,
) -> None:
    none = await previewed(service, resume_corridor=resume_corridor())
    assert none.refusal.reason == "PAUSE_NOT_FOUND"
    await service.pauses.PauseCorridor(corridor())
    again = await previewed(service, pause_corridor=corridor())
    assert again.refusal.reason == "PAUSE_EXISTS"
    assert not again.under_way
    unknown = previewed(service, pause_corridor=corridor(corridor_id="us-xx"))
    assert (await refused(unknown))[1] == "CORRIDOR_UNSUPPORTED"
    unknown = previewed(service, pause_provider=provider("x"))
    assert (await refused(unknown))[1] == "PROVIDER_NOT_FOUND"
