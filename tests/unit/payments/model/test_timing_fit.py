"""Which times do not fit together, each by its name; the ones that are shipped do."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.config import WorkerSettings
from services.payments.model.attempt import Capabilities, LookUp
from services.payments.model.timing_fit import Misfit, Times, TimesDoNotFit, refuse_misfits
from tests.makers import CAPABILITIES, make_capabilities

SHIPPED: Times = WorkerSettings.load(
    {
        "DEPLOYMENT": "sandbox",
        "DATABASE_URL": "postgresql://",
        "PROVIDERS_TARGET": "providers:1",
        "FX_TARGET": "fx:1",
    }
).times
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
EVENTUAL = make_capabilities("slow", look_up=LookUp.EVENTUAL, look_up_lag=2 * MINUTE)
FORGETS = make_capabilities("forgets", repeats_forgotten=True)


def misfits(
    times: Times = SHIPPED, capabilities: Mapping[str, Capabilities] | None = None
) -> tuple[Misfit, ...]:
    try:
        refuse_misfits(times, capabilities or {})
    except TimesDoNotFit as refused:
        assert all(f"{misfit}: " in str(refused) for misfit in refused.misfits)
        return refused.misfits
    return ()


def test_the_shipped_times_fit_with_every_provider() -> None:
    assert misfits(capabilities=CAPABILITIES) == ()


@pytest.mark.parametrize("lease", [20 * SECOND, 30 * SECOND, 10 * MINUTE])
def test_a_lease_from_20_seconds_to_10_minutes_fits(lease: timedelta) -> None:
    assert misfits(replace(SHIPPED, lease=lease)) == ()


@pytest.mark.parametrize(
    ("misfit", "changes"),
    [
        (Misfit.LEASE_SHORTER_THAN_A_CALL, {"call": 26 * SECOND}),
        (Misfit.LEASE_TOO_SHORT_TO_FOLLOW, {"operation": 16 * SECOND, "call": 20 * SECOND}),
        (Misfit.LEASE_SHORTER_THAN_A_DELIVERY, {"delivery": 26 * SECOND}),
        (Misfit.LEASE_LONGER_THAN_THE_LIST, {"lease": 601 * SECOND}),
        (Misfit.POLL_LONGER_THAN_A_STEP, {"poll": 61 * SECOND}),
        (Misfit.FORGOTTEN_BEFORE_THE_POLL, {"poll": 30 * SECOND, "overdue": 30 * SECOND}),
        (Misfit.CALL_SHORTER_THAN_AN_OPERATION, {"call": 9 * SECOND}),
        (Misfit.BACK_OFF_SHRINKS, {"longest_retry": SECOND / 4}),
        (Misfit.BACK_OFF_SHRINKS, {"longest_poll": SECOND / 2}),
        (Misfit.BACK_OFF_SHRINKS, {"longest_round": SECOND}),
        (Misfit.WAIT_LONGER_THAN_THE_LIST, {"longest_retry": 10 * MINUTE}),
        (Misfit.WAIT_LONGER_THAN_THE_LIST, {"retry_after_max": 10 * MINUTE - 10 * SECOND}),
        (Misfit.WAIT_LONGER_THAN_THE_LIST, {"longest_poll": 11 * MINUTE}),
        (Misfit.WAIT_LONGER_THAN_THE_LIST, {"longest_round": 11 * MINUTE}),
        (Misfit.WAIT_LONGER_THAN_THE_LIST, {"longest_rest": 11 * MINUTE}),
        (Misfit.TOO_OLD_BETWEEN_READINGS, {"credentials_refresh": SHIPPED.credentials_fresh}),
        (Misfit.TOO_OLD_BETWEEN_READINGS, {"held_refresh": SHIPPED.held_fresh}),
        (Misfit.TOO_OLD_BETWEEN_READINGS, {"corridors_refresh": SHIPPED.corridors_fresh}),
        (Misfit.LISTING_LEASE_SHORTER_THAN_A_CALL, {"listing_lease": SHIPPED.listing_call}),
    ],
)
def test_times_that_contradict_each_other_are_refused_by_name(
    misfit: Misfit, changes: dict[str, Any]
) -> None:
    assert misfits(replace(SHIPPED, **changes)) == (misfit,)


def test_a_lease_that_is_far_too_short_is_refused_under_each_name() -> None:
    assert set(misfits(replace(SHIPPED, lease=SECOND))) == {
        Misfit.LEASE_SHORTER_THAN_A_CALL,
        Misfit.LEASE_TOO_SHORT_TO_FOLLOW,
        Misfit.LEASE_SHORTER_THAN_A_DELIVERY,
    }


@pytest.mark.parametrize(
    ("known", "found"),
    [
        (replace(EVENTUAL, unknown_hold_after=137 * SECOND), (Misfit.HELD_BEFORE_ABSENCE,)),
        (replace(EVENTUAL, unknown_hold_after=138 * SECOND), ()),
        (replace(EVENTUAL, look_up=LookUp.STRONG, unknown_hold_after=SECOND), ()),
        (replace(FORGETS, key_lifetime=150 * SECOND), (Misfit.KEY_SHORTER_THAN_A_CALL,)),
        (replace(FORGETS, key_lifetime=151 * SECOND), ()),
        (replace(FORGETS, key_lifetime=SECOND, repeats_forgotten=False), ()),
    ],
)
def test_the_declarations_of_a_provider_must_fit_too(
    known: Capabilities, found: tuple[Misfit, ...]
) -> None:
    assert misfits(capabilities={known.provider: known, "bank": CAPABILITIES["bank"]}) == found
