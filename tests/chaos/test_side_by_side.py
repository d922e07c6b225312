"""An interrupted command stops each of its runs in order and begins no other."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from deploy import ROOT
from tests import polling
from tests.chaos.side_by_side import side_by_side

NAMES = ["first", "second", "third"]


def until_interrupted(name: str, folder: Path) -> str:
    """Leaves a file when it begins, and another when it has cleaned up."""
    asyncio.run(_wait(name, folder))
    return name


async def _wait(name: str, folder: Path) -> None:
    (folder / f"{name}.begun").touch()
    try:
        await asyncio.Event().wait()
    finally:
        # A second signal would end this one.
        for _ in range(100):
            await asyncio.sleep(0)
        (folder / f"{name}.clean").touch()


def named(name: str, folder: Path) -> str:
    """Ends at once."""
    return f"{folder.name} {name}"


def test_each_run_is_a_result(tmp_path: Path) -> None:
    assert sorted(side_by_side(named, NAMES, tmp_path)) == [
        f"{tmp_path.name} {name}" for name in NAMES
    ]


@pytest.mark.parametrize(
    ("terminal", "number"),
    [(True, signal.SIGINT), (False, signal.SIGINT), (False, signal.SIGTERM)],
    ids=["Ctrl-C in a terminal", "a signal to it alone", "an end"],
)
async def test_an_interrupt_cleans_up_each_run_and_begins_no_other(
    tmp_path: Path, terminal: bool, number: int
) -> None:
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.test_side_by_side",
        str(tmp_path),
        cwd=ROOT,
        start_new_session=True,
        stderr=asyncio.subprocess.PIPE,
    )
    await polling.until(
        lambda: _seen(tmp_path, "begun"), lambda begun: begun == {"first", "second"}
    )

    (os.killpg if terminal else os.kill)(command.pid, number)

    _, errors = await command.communicate()
    assert b"KeyboardInterrupt" in errors
    assert _marks(tmp_path, "begun") == {"first", "second"}
    assert _marks(tmp_path, "clean") == {"first", "second"}


async def _seen(folder: Path, kind: str) -> set[str]:
    return _marks(folder, kind)


def _marks(folder: Path, kind: str) -> set[str]:
    return {mark.stem for mark in folder.glob(f"*.{kind}")}


if __name__ == "__main__":
    list(side_by_side(until_interrupted, NAMES, Path(sys.argv[1])))
