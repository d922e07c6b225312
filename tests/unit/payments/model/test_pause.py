"""A pause leaves its target out, and one that lasts longer covers a shorter one."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.payments.model.pause import (
    NOTHING_PAUSED,
    CorridorPaused,
    Pause,
    Paused,
    PauseKind,
    ProviderPaused,
    UnderWay,
    paused_by,
)
from services.shared.ids import new_id
from tests.makers import NOW

PAUSE = Pause(
    id=new_id(),
    kind=PauseKind.PROVIDER,
    name="wise",
    under_way=UnderWay.FINISH,
    reason="maintenance",
    paused_by="ada",
    starts_at=NOW,
    ends_at=NOW + timedelta(hours=1),
)


@pytest.mark.parametrize(
    ("change", "seconds", "counts"),
    [
        ({}, 0, True),
        ({}, 3599, True),
        ({}, 3600, False),
        ({"ends_at": None}, 10**9, True),
        ({"ended_at": NOW}, 0, False),
    ],
)
def test_a_pause_counts_until_its_end(
    change: dict[str, datetime | None], seconds: int, counts: bool
) -> None:
    pause = replace(PAUSE, **change)  # type: ignore[arg-type]

    assert pause.is_in_force(NOW + timedelta(seconds=seconds)) is counts


@pytest.mark.parametrize(
    ("minutes", "other", "covers"),
    [(60, 60, True), (60, 59, True), (60, 61, False), (60, None, False), (None, 60, True)],
)
def test_a_pause_covers_one_that_ends_no_later(
    minutes: int | None, other: int | None, covers: bool
) -> None:
    ends, until = (None if m is None else NOW + timedelta(minutes=m) for m in (minutes, other))

    assert replace(PAUSE, ends_at=ends).covers(until) is covers


def test_a_pause_without_an_end_covers_another_without_one() -> None:
    assert replace(PAUSE, ends_at=None).covers(None)


def test_the_targets_of_pauses_are_known_by_their_kinds() -> None:
    corridor = replace(PAUSE, kind=PauseKind.CORRIDOR, name="us-ng")

    paused = paused_by([PAUSE, corridor])

    assert paused == Paused(corridors=frozenset({"us-ng"}), providers=frozenset({"wise"}))
    with pytest.raises(CorridorPaused):
        paused.refuse("us-ng")
    paused.refuse("wise")


def test_providers_that_are_not_paused_are_left_in_order() -> None:
    paused = Paused(providers=("b",))

    assert paused.open(("c", "b", "a")) == ("c", "a")
    with pytest.raises(ProviderPaused, match="b"):
        paused.open(("b",))


@pytest.mark.parametrize(
    ("paused", "stops"),
    [
        (NOTHING_PAUSED, False),
        (Paused(corridors=("us-ng",)), True),
        (Paused(corridors=("us-in",)), False),
        (Paused(providers=("on",)), True),
        (Paused(providers=("off_1",)), False),
        (Paused(providers=("off_1", "off_2")), True),
    ],
)
def test_a_corridor_stops_with_its_own_pause_or_with_all_providers_of_a_leg(
    paused: Paused, stops: bool
) -> None:
    assert paused.stops("us-ng", ("on",), ("off_1", "off_2")) is stops
