"""The command line's arguments, and its answers to wrong ones."""

import json
import re
from pathlib import Path

import pytest

from deploy.local.commands import cli, development
from deploy.local.process.terminal import Problem


def _run(*words: str) -> object:
    with pytest.raises(SystemExit) as exit_:
        cli.main(words)
    return exit_.value.code


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--help") == 0

    shown = capsys.readouterr().out
    commands = [
        "explain",
        "up",
        "down",
        "status",
        "logs",
        "migrate",
        "backup",
        "restore",
        "doctor",
        "test",
        "check",
        "protos",
    ]
    assert all(f"\n    {command} " in shown for command in commands)


def test_version_names_the_project_and_its_commit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.read(["--version"])

    assert ended.value.code == 0
    assert re.fullmatch(r"caravel \d+\.\d+\.\d+ \(\S+\)\n", capsys.readouterr().out)


def test_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("up", "--port", "70000") == 2
    assert "70000 is no port" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--grpc-port", "--operators-port", "--operators-grpc-port"])
def test_two_listeners_on_one_port_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    folder = str(tmp_path)

    assert _run("up", "--data-dir", folder, "--port", "18001", flag, "18001") == 1
    assert f"change {flag}" in capsys.readouterr().err


@pytest.mark.parametrize(("port", "beside"), [(8080, 8081), (65535, 65534)])
def test_operators_ports_are_beside_those_of_merchants(port: int, beside: int) -> None:
    parsed = cli.read(["up", "--port", str(port)])

    assert cli._port_options(parsed)["operators_port"] == beside
    assert cli._port_options(parsed)["operators_grpc_port"] == 9091


def test_status_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("status", "--json", "--data-dir", str(tmp_path)) == 3
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_status_remembers_why_it_is_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run("up", "--data-dir", str(tmp_path), "--port", "18001", "--grpc-port", "18001")
    capsys.readouterr()

    _run("status", "--data-dir", str(tmp_path))

    assert "Not running: --port and --grpc-port cannot share port 18001" in capsys.readouterr().out


def test_down_of_nothing_is_success(tmp_path: Path) -> None:
    assert _run("down", "--data-dir", str(tmp_path)) == 0


def test_delete_leaves_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("simulator.jsonl", "state.json", "logs/fees.log", "letter.txt"):
        (tmp_path / name).touch()

    assert _run("down", "--delete", "--data-dir", str(tmp_path)) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"letter.txt", "lock", "logs"}
    assert not list((tmp_path / "logs").iterdir())


def test_logs_of_an_unknown_process_name_the_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "fees.log").write_text("hello\n")

    assert _run("logs", "fee", "--data-dir", str(tmp_path)) == 1
    assert "there are: fees" in capsys.readouterr().err


def test_rings_come_in_their_order() -> None:
    assert development.folders(["wire", "unit"]) == ["tests/unit", "tests/wire"]


def test_unknown_ring_is_refused() -> None:
    with pytest.raises(Problem, match="no ring untit"):
        development.folders(["untit"])
