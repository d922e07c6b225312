"""The executable, before any package is there. It runs in a copy of its own, with a
lock file of its own."""

import ast
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CARAVEL = Path(__file__).resolve().parents[3] / "caravel"
PATIENCE_SECONDS = 60
# All of the services that the command line reads, which needs no package.
OF_SERVICES = tuple(
    f"services/shared/{name}.py" for name in ("__init__", "db_address", "deployment", "well_known")
)
LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder, with a space in its name, that holds the runner and two locks."""
    folder = tmp_path / "my code"
    folder.mkdir()
    shutil.copy(CARAVEL, folder / "caravel")
    (folder / "deploy").mkdir()
    for module in ("__init__", "version"):
        shutil.copy(CARAVEL.parent / "deploy" / f"{module}.py", folder / "deploy")
    shutil.copytree(CARAVEL.parent / "deploy" / "local", folder / "deploy" / "local")
    for module in OF_SERVICES:
        (folder / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CARAVEL.parent / module, folder / module)
    for name in LOCKS:
        (folder / name).write_text(f"nothing-of-this-name==1.0 --hash=sha256:{'0' * 64}\n")
    return folder


def _run(checkout: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # -S: nothing but the interpreter's own modules is there.
        [sys.executable, "-S", checkout / "caravel", *words],
        cwd="/",
        timeout=PATIENCE_SECONDS,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def _install(checkout: Path, *locks: str) -> None:
    """The files of a finished installation; its Python prints its arguments."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    (checkout / ".venv" / "lib" / "python3.11" / "site-packages" / "pip").mkdir(parents=True)
    digests = [hashlib.sha256((checkout / lock).read_bytes()).hexdigest() for lock in locks]
    stamp = {"root": str(checkout), "python": str(python), "locks": digests}
    (checkout / ".venv" / "caravel.json").write_text(json.dumps(stamp))


def test_old_python_can_read_it() -> None:
    ast.parse(CARAVEL.read_text(), feature_version=(3, 7))


def test_second_start_installs_nothing(checkout: Path) -> None:
    _install(checkout, *LOCKS)

    done = _run(checkout, "up", "--port", "81")

    assert done.stdout == "-P -m deploy.local up --port 81\n"
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["test", "check", "protos"])
def test_tests_need_more_than_a_start_does(checkout: Path, command: str) -> None:
    _install(checkout, "requirements.lock")
    (checkout / "requirements-dev.lock").write_text("another==1.0\n")

    done = _run(checkout, command)

    assert "Installing 1 packages (the requirements have changed)" in done.stderr
    assert "requirements-dev.lock" in (checkout / ".venv" / "caravel-install.log").read_text()
    assert done.stdout == f"-P -m deploy.local {command}\n"


def test_installation_for_tests_is_enough_for_a_start(checkout: Path) -> None:
    _install(checkout, "requirements.lock")
    (checkout / "requirements-dev.lock").write_text("another==1.0\n")
    _run(checkout, "test")

    assert _run(checkout, "up").stderr == ""


def test_checkout_and_messages_become_importable(checkout: Path) -> None:
    _install(checkout)
    _run(checkout, "up")

    packages = checkout / ".venv" / "lib" / "python3.11" / "site-packages"
    lines = (packages / "caravel.pth").read_text().splitlines()
    assert [(packages / line).resolve() for line in lines] == [
        checkout,
        checkout / "protos" / "gen",
    ]


def test_checkout_that_was_moved_installs_again(checkout: Path) -> None:
    _install(checkout, *LOCKS)
    moved = checkout.rename(checkout.with_name("moved"))

    assert "first run only" in _run(moved, "up", PIP_NO_INDEX="1").stderr


def test_interrupted_installation_starts_over(checkout: Path) -> None:
    _install(checkout, *LOCKS)
    (checkout / ".venv" / "caravel.unfinished").touch()

    assert "first run only" in _run(checkout, "up", PIP_NO_INDEX="1").stderr


def test_a_link_to_another_checkouts_packages_is_replaced_and_they_stay(
    checkout: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "bin").mkdir(parents=True)
    (other / "bin" / "tool").touch()
    (checkout / ".venv").symlink_to(other)

    assert "first run only" in _run(checkout, "up", PIP_NO_INDEX="1").stderr

    assert (other / "bin" / "tool").exists()
    assert not (checkout / ".venv").is_symlink()


def test_package_index_out_of_reach_is_one_sentence(checkout: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "1"}

    done = _run(checkout, "up", **nowhere)

    assert done.returncode == 1
    assert done.stderr.splitlines()[1].startswith("caravel: cannot reach the package index")
    assert len(done.stderr.splitlines()) == 2


COMMANDS = ("up", "down", "status", "logs", "migrate", "verify", "doctor", "test", "check")
COMMANDS += ("protos", "chaos", "hostile", "mutants", "bench")


@pytest.mark.parametrize(
    "words",
    [("--help",), ("-h",), ("help",), (), *((name, "--help") for name in COMMANDS)],
)
def test_help_installs_nothing(checkout: Path, words: tuple[str, ...]) -> None:
    done = _run(checkout, *words)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: caravel")
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("upp",), "there is no command upp; see `caravel --help`"),
        (("up", "--detatch"), "unrecognized arguments: --detatch; see `caravel --help`"),
        (("status", "now"), "unrecognized arguments: now; see `caravel --help`"),
        (("up", "--port"), "argument --port: expected one argument; see `caravel up --help`"),
        (("up", "--port", "0"), "argument --port: 0 is no port; a port is 1 to 65535"),
        (("test", "untit"), "there is no ring untit; there are: unit, wire"),
        (
            ("chaos", "--seed", "3"),
            "chaos needs --minutes or --losses and --seed or --seeds, or --planted",
        ),
    ],
)
def test_mistake_is_one_sentence_and_installs_nothing(
    checkout: Path, words: tuple[str, ...], said: str
) -> None:
    done = _run(checkout, *words)

    assert done.returncode == 2
    assert done.stderr.startswith(f"caravel: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("status",), "Not running.", 3),
        (("status", "--json"), '"running": false', 3),
        (("down",), "Not running.", 0),
        (("logs", "fees"), "there is no log of fees", 1),
    ],
)
def test_looking_at_a_mesh_waits_for_no_installation(
    checkout: Path, words: tuple[str, ...], said: str, code: int
) -> None:
    folder = os.open(checkout, os.O_RDONLY)
    # As another command does while it installs.
    fcntl.flock(folder, fcntl.LOCK_EX)
    done = _run(checkout, *words)
    os.close(folder)

    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert not (checkout / ".venv").exists()
