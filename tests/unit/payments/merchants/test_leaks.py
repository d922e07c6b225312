"""Reports of leaked keys have a pace of their own, counted before anything of them is looked at."""

import pytest

from services.payments.merchants.key_text import KeyText, new_key_text
from services.payments.merchants.leaks import UNSAID, LeakReports
from services.payments.model.timing import LEAK_REPORTS_A_SECOND, LEAK_REPORTS_AT_ONCE
from services.shared.errors import Overloaded
from services.shared.ids import new_id


class Store:
    """The port LeakStore, which knows every key."""

    def __init__(self) -> None:
        self.revoked: list[tuple[KeyText, str]] = []

    async def revoke_leaked(self, said: KeyText, place: str) -> str:
        self.revoked.append((said, place))
        return f"key_{len(self.revoked)}"


class Clock:
    """Seconds, as a test sets them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_only_the_text_of_a_key_comes_as_far_as_the_store() -> None:
    store, text = Store(), new_key_text(new_id(), is_operators=False, is_live=False)
    reports = LeakReports(store, clock=Clock())

    for found in ("hunter2", "cvl_test_", text[:-1], text + "0", "", f" {text}\n"):
        await reports.take(found, "")

    assert [place for _, place in store.revoked] == [UNSAID]


async def test_reports_beyond_the_pace_are_refused_whatever_they_name() -> None:
    clock, store = Clock(), Store()
    reports = LeakReports(store, clock=clock)
    genuine = new_key_text(new_id(), is_operators=False, is_live=False)

    for _ in range(LEAK_REPORTS_AT_ONCE):
        await reports.take("hunter2", "")
    for found in ("hunter2", genuine):
        with pytest.raises(Overloaded):
            await reports.take(found, "")
    clock.now += 1
    for _ in range(LEAK_REPORTS_A_SECOND):
        await reports.take(genuine, "")
    with pytest.raises(Overloaded):
        await reports.take(genuine, "")
    clock.now += 3600
    for _ in range(LEAK_REPORTS_AT_ONCE):
        await reports.take(genuine, "")
    with pytest.raises(Overloaded):
        await reports.take(genuine, "")

    assert len(store.revoked) == LEAK_REPORTS_A_SECOND + LEAK_REPORTS_AT_ONCE
