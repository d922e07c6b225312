"""A data folder is its owner's alone, whatever the umask and whatever an earlier run has left."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.mesh import state
from deploy.local.mesh.credentials import load_or_make
from deploy.local.mesh.state import DataDir
from deploy.local.process.child import private
from services.providers.simulator.book import Book


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Of all umasks the one that hides nothing."""
    before = os.umask(0)
    yield
    os.umask(before)


def readable_by_others(folder: Path) -> set[str]:
    """The files that another user may read, write or list below the folder."""
    mask = stat.S_IRWXG | stat.S_IRWXO
    allowed = {folder: stat.S_IXGRP | stat.S_IXOTH if os.geteuid() == 0 else 0}
    return {
        path.name
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & mask & ~allowed.get(path, 0)
    }


async def test_only_the_owner_can_read_the_files_of_a_mesh(tmp_path: Path) -> None:
    data_dir = DataDir.at(tmp_path / "data")
    data_dir.make()
    load_or_make(data_dir.credentials)
    with state.locked(data_dir):
        state.write(data_dir.state, state.begin({}))
    os.close(private(str(data_dir.log("fees")), os.O_WRONLY | os.O_CREAT))
    await Book(data_dir.simulator_book).close()

    assert readable_by_others(data_dir.root) == set()


def test_readable_files_of_an_earlier_run_become_private(tmp_path: Path) -> None:
    data_dir = DataDir.at(tmp_path / "data")
    data_dir.logs.mkdir(parents=True)
    files = (data_dir.log("fees"), data_dir.simulator_book, data_dir.state, data_dir.lock)
    for file in files:
        file.touch()
        file.chmod(0o666)
    data_dir.make()

    assert readable_by_others(data_dir.root) == set()


def test_folder_that_is_somebodys_own_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    DataDir.at(tmp_path).make()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
