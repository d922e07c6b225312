"""An obstacle to a start is one sentence with its cause, and exit 1."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import Problem, sentence

CARAVEL = Path(__file__).resolve().parents[4] / "caravel"
PATIENCE_SECONDS = 60
# In the range that nobody else uses, since nothing is to be started.
LISTEN = ("--port", "19990", "--grpc-port", "19992")


def _up(folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, CARAVEL, "up", "--detach", *LISTEN, "--data-dir", folder],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def _is_refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith("caravel: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with next to no room."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root may mount")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_full_disk_is_said(small_disk: Path) -> None:
    _is_refused(_up(small_disk / "data"), "the disk is full: 0 MB are free in")


def test_disk_without_room_for_a_folder_is_said(small_disk: Path) -> None:
    with suppress(OSError), (small_disk / "rest").open("wb", buffering=0) as rest:
        while True:
            rest.write(bytes(1024))

    _is_refused(_up(small_disk / "data"), "the disk is full: ")


def test_file_system_that_is_read_only_is_said(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    _is_refused(_up(small_disk / "data"), "its file system is read-only")


def test_disk_that_fills_up_while_it_starts_is_said(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    # Every write to it says that no room is left.
    (tmp_path / "logs" / "caravel.log").symlink_to("/dev/full")

    _is_refused(_up(tmp_path), "the disk is full: ")


@pytest.mark.parametrize("descriptors", [10, 40, 255])
def test_too_few_descriptors_are_said(tmp_path: Path, descriptors: int) -> None:
    limited = ("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "-")

    _is_refused(_up(tmp_path, *limited), f"only {descriptors} files may be open at once")


def test_soft_limit_is_raised_to_the_hard_one() -> None:
    code = (
        "import resource; from deploy.local.process.child import allow_most_descriptors\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 400)); allow_most_descriptors()\n"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=CARAVEL.parent, capture_output=True, text=True, check=True)

    assert done.stdout == "400 400\n"


def test_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    _is_refused(_up(tmp_path / "data"), "data is no folder")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full: log could not be written"),
        (errno.EDQUOT, "the disk is full: log could not be written"),
        (errno.EROFS, "log cannot be written: its file system is read-only"),
        (errno.EMFILE, "too many files are open"),
        (errno.EACCES, "may not touch log"),
        (errno.EIO, "Input/output error: log"),
    ],
)
def test_every_failure_of_the_system_is_a_sentence(number: int, said: str) -> None:
    assert sentence(OSError(number, os.strerror(number), "log")).startswith(said)


def test_room_is_looked_for_before_a_start(tmp_path: Path) -> None:
    DataDir(tmp_path).refuse_full_disk()
    with pytest.raises(Problem):
        DataDir(Path("/proc")).refuse_full_disk()
