"""The supervisor of a data folder, and the known state of the mesh in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.mesh import state
from deploy.local.mesh.state import DataDir, RunningProcess
from deploy.local.process.terminal import Problem

PROCESS = RunningProcess(name="fees", pid=7, port=20_001, metrics_port=None, log="fees.log")


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    return DataDir.at(tmp_path)


def test_state_is_read_as_it_was_written(data_dir: DataDir) -> None:
    written = replace(state.begin({"rest": "http://here"}), processes=(PROCESS,), ready_seconds=2.5)
    state.write(data_dir.state, written)

    assert state.read(data_dir.state) == written


def test_second_supervisor_is_refused(data_dir: DataDir) -> None:
    with state.locked(data_dir), pytest.raises(Problem, match="already"), state.locked(data_dir):
        pass


def test_folder_is_free_again_after_the_supervisor(data_dir: DataDir) -> None:
    with state.locked(data_dir):
        assert state.is_locked(data_dir)

    assert not state.is_locked(data_dir)


def test_state_that_a_crash_left_behind_is_not_running(data_dir: DataDir) -> None:
    state.write(data_dir.state, state.begin({}))

    assert state.running(data_dir) is None


def test_mesh_of_a_living_supervisor_is_running(data_dir: DataDir) -> None:
    state.write(data_dir.state, state.begin({}))

    with state.locked(data_dir):
        assert state.running(data_dir) == state.read(data_dir.state)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"processes": [], "pid": 1}'])
def test_illegible_state_is_none(data_dir: DataDir, text: str) -> None:
    data_dir.state.write_text(text)

    assert state.read(data_dir.state) is None
