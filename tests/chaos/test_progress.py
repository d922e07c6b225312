"""A wait that goes on for as long as anything changes, and ends when nothing does."""

from tests.chaos.progress import Progress


def test_only_what_stands_still_is_quiet() -> None:
    clock = iter(range(0, 100, 10))
    progress = Progress(lambda: next(clock))  # 0

    progress.note("one case is missing")  # 10
    progress.note("one case is missing")
    assert progress.quiet_seconds == 10  # 20

    progress.note("none is missing")  # 30
    assert progress.quiet_seconds == 10  # 40
