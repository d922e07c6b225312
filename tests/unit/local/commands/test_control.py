"""`dial` prints what grpcurl needs, for a mesh that runs, and nothing else."""

from pathlib import Path

import pytest

from deploy.local.commands.control import dial
from deploy.local.mesh import state
from deploy.local.mesh.state import DataDir, RunningProcess
from deploy.local.process.terminal import Problem

FEES = RunningProcess(name="fees", pid=1, port=21001, metrics_port=21002, log="")


def test_it_prints_the_operators_files_the_name_and_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = DataDir.at(tmp_path)
    with state.locked(data_dir):
        running = state.begin({})
        state.write(
            data_dir.state,
            state.MeshState(
                supervisor_pid=running.supervisor_pid,
                started_at=running.started_at,
                urls={},
                processes=(FEES,),
            ),
        )
        assert dial(data_dir, "fees") == 0

    folder = tmp_path / "certificates" / "operator"
    assert capsys.readouterr().out.split() == [
        *("-cacert", f"{folder}/ca.crt"),
        *("-cert", f"{folder}/tls.crt"),
        *("-key", f"{folder}/tls.key"),
        *("-servername", "fees.caravel.internal"),
        "127.0.0.1:21001",
    ]


def test_a_mesh_that_does_not_run_cannot_be_called(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="fees is not running"):
        dial(DataDir.at(tmp_path), "fees")


@pytest.mark.parametrize("name", ["postgresql", "gateway", "operator", "nobody"])
def test_a_process_that_is_no_service_inside_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem, match=f"there is no {name} inside; there are: fees, fx"):
        dial(DataDir.at(tmp_path), name)
