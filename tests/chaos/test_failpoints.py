"""The sweep's own parts: a failpoint strikes once and nobody else, and whatever is wrong with a
case at the end is said."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.chaos.case_audit import Books
from tests.chaos.cases import (
    FORCED,
    PAID,
    every_case,
    outcome_of,
    preempted_outcome_of,
    reference_of,
)
from tests.chaos.failpoints import Case, FailpointRaised, Failpoints

CASE = Case("W5", "payout", "raise")
REFERENCE = reference_of(CASE)
PAYMENT_ID = str(UUID(int=7))


async def test_a_failpoint_strikes_once_also_across_restarts(tmp_path: Path) -> None:
    with pytest.raises(FailpointRaised):
        await Failpoints(tmp_path).hit("W5", ("payout", REFERENCE))

    await Failpoints(tmp_path).hit("W5", ("payout", REFERENCE))

    assert Failpoints(tmp_path).fired() == {CASE.name}


async def test_a_failpoint_strikes_only_its_own_payment_at_its_own_point(tmp_path: Path) -> None:
    failpoints = Failpoints(tmp_path)

    await failpoints.hit("W5", ("payout", "order 7"), ("refund", REFERENCE))
    await failpoints.hit("W5", ("payout", reference_of(replace(CASE, step="refund"))))
    await failpoints.hit("W5b", ("payout", REFERENCE))

    assert failpoints.fired() == set()


async def test_of_two_processes_that_come_together_one_strikes_and_none_fails(
    tmp_path: Path,
) -> None:
    one, other = Failpoints(tmp_path), Failpoints(tmp_path)

    struck = await asyncio.gather(
        *(asyncio.to_thread(side.take, "W5", "payout", REFERENCE) for side in (one, other) * 8)
    )

    assert [case for case in struck if case] == [CASE]


def test_every_case_is_armed_by_its_reference() -> None:
    again = replace(CASE, turn=2)
    assert Case.armed_by(reference_of(again)) == again
    assert all(Case.armed_by(reference_of(case)) == case for case in every_case())
    assert len({reference_of(case) for case in every_case()}) == len(list(every_case()))


def test_a_case_that_came_out_well_has_no_complaints() -> None:
    assert list(_books().complaints(REFERENCE, PAID)) == []


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ({"payments": {}}, "0 payments"),
        ({"payment": {"state": "PAYING_OUT"}}, "not COMPLETED"),
        ({"payment": {"hold_reason": "late_success"}}, "late_success"),
        ({"payment": {"rest": 5}}, "5 left on its account"),
        ({"payment": {"keys": 2}}, "2 idempotency keys"),
        ({"payment": {"pending_events": 1}}, "1 webhooks left pending"),
        ({"payment": {"events": 6}}, "version 7 after 6 events"),
        ({"effects": {"k1": 1, "k2": 2}}, "payout_completed 2 times"),
        ({"effects": {"k1": 1, "k2": 0}}, "payout_completed 0 times"),
        ({"payment": {"payout_minor": 1}}, "they have (2, 'INR'), we have (1, 'INR')"),
        ({"again": "UNKNOWN"}, "a next key while this one was alive"),
        ({"payment": {"undelivered": 1}}, "1 messages not delivered"),
        ({"payment": {"messages": 3}}, "0 of 3 messages have come"),
    ],
)
def test_every_mistake_is_reported(damage: Mapping[str, Any], complaint: str) -> None:
    complaints = list(_books(**damage).complaints(REFERENCE, PAID))
    assert any(complaint in one for one in complaints), complaints


def test_a_preempted_payment_need_not_have_met_the_offramp_that_refuses() -> None:
    forced = Case("C2", "force", "exit")

    met, another = outcome_of(forced), preempted_outcome_of(forced)

    assert met == FORCED
    assert list(_books().complaints(REFERENCE, another)) == []
    assert list(_books().complaints(REFERENCE, met)) == [
        "payout_failed 0 times in the simulator's book, not 1"
    ]
    doubled = _books(effects={"k1": 1, "k2": 2}).complaints(REFERENCE, another)
    assert list(doubled) == ["payout_completed 2 times in the simulator's book, not 1"]


def _books(
    *,
    payments: Mapping[str, Any] | None = None,
    payment: Mapping[str, Any] | None = None,
    effects: Mapping[str, int] | None = None,
    again: str = "",
) -> Books:
    """Books in which the case came out well, but for what is passed."""
    good: dict[str, Any] = {
        "id": PAYMENT_ID, "state": "COMPLETED", "hold_reason": None, "version": 7, "events": 7,
        "amount_minor": 1, "payout_minor": 2, "destination_currency": "INR", "leased": None,
        "keys": 1, "claims": "", "pending_events": 0, "rest": 0, "messages": 0, "undelivered": 0,
    }  # fmt: skip
    attempts = [
        {"step": "collection", "number": 1, "state": "SUCCEEDED", "key": "k1"},
        {"step": "payout", "number": 2, "state": "SUCCEEDED", "key": "k2"},
    ]
    if again:
        attempts.append({"step": "payout", "number": 1, "state": again, "key": "k3"})
    lines = {
        "k1": {"effect": "charge_succeeded", "amount_minor": 1, "currency": "usd"},
        "k2": {"effect": "payout_completed", "amount_minor": 2, "currency": "INR"},
    }
    times = effects or {"k1": 1, "k2": 1}
    found: Any = {REFERENCE: [good | dict(payment or {})]} if payments is None else payments
    tried: Any = {PAYMENT_ID: attempts}
    return Books(
        payments=found,
        attempts=tried,
        effects={key: [line] * times[key] for key, line in lines.items()},
        received={},
    )
