"""The cancel window in a corridor file: whole minutes, a day at most, and none by itself."""

from pathlib import Path

import pytest

from services.shared.corridors import CorridorsError, load_corridors
from tests.unit.shared.test_corridors import INDIA, write


@pytest.mark.parametrize("minutes", ["-1", "1441", "30.5", '"30"'])
def test_a_cancel_window_is_whole_minutes_of_a_day_at_most(tmp_path: Path, minutes: str) -> None:
    window = f"refunds = {{ cancel_window_minutes = {minutes} }}\nlimits ="
    write(tmp_path, INDIA.replace("limits =", window))

    with pytest.raises(CorridorsError, match="cancel_window_minutes"):
        load_corridors(tmp_path, live=False)


def test_a_corridor_has_no_cancel_window_unless_its_file_says_so(tmp_path: Path) -> None:
    assert (
        load_corridors(write(tmp_path, INDIA), live=False)
        .get("us-in")
        .refunds.cancel_window_minutes
        == 0
    )
    window = "refunds = { cancel_window_minutes = 1440 }\nlimits ="
    write(tmp_path, INDIA.replace("limits =", window))

    assert load_corridors(tmp_path, live=False).get("us-in").refunds.cancel_window_minutes == 1440
