"""The objects that are collected, and how often."""

import gc
from collections.abc import Iterator

import pytest

from services.shared.garbage import COLLECT_AFTER, collect_seldom


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_existing_objects_are_not_examined_again_and_later_ones_rarely() -> None:
    collect_seldom()

    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == COLLECT_AFTER
