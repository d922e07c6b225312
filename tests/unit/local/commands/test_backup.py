"""The words of `backup` and `restore`, and what they refuse before anything is touched."""

from pathlib import Path

import pytest

from deploy.local.commands import cli
from deploy.local.mesh import state
from deploy.local.mesh.backup import Kind
from deploy.local.mesh.state import DataDir


def _run(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    return ended.value.code


def test_a_backup_is_of_the_whole_server_where_nothing_is_said() -> None:
    assert cli.read(["backup"]).kind is Kind.BASE
    assert cli.read(["backup", "--kind", "dump"]).kind is Kind.DUMP


def test_there_are_two_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("backup", "--kind", "photo") == 2
    assert "photo" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("backup",), ("restore", "a.dump")])
def test_a_server_of_ones_own_is_left_alone(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://caravel_app@db.example/caravel")

    assert _run(*words, "--data-dir", str(tmp_path / "data")) == 1

    assert "docs/backup.md" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_nothing_is_restored_below_a_mesh_that_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    data_dir = DataDir.at(tmp_path / "data")
    data_dir.make()

    with state.locked(data_dir):
        assert _run("restore", "a.dump", "--data-dir", str(data_dir.root)) == 1

    assert "a mesh is running" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    missing = tmp_path / "missing.dump"

    assert _run("restore", str(missing), "--data-dir", str(tmp_path / "data")) == 1

    assert str(missing) in capsys.readouterr().err


@pytest.mark.parametrize("given", [(), ("--reason", "a drill"), ("--as", "ada")])
def test_nothing_is_accepted_without_a_reason_and_a_name(
    given: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("recover", "accept", *given, "--data-dir", str(tmp_path / "data")) == 1

    assert "--reason" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
