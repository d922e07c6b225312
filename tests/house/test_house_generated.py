"""Generated files are fresh, and the tools' own checks run here too."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway import routes
from gateway.contract import Listener
from gateway.openapi import DESCRIPTOR, DOCUMENTS, document, render
from protos.generate import generate
from tests.house.places import ROOT, check

TOOLS = Path(sys.executable).parent
GENERATE = "run `python protos/generate.py`"


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regenerated")
    generate(folder / "gen", folder / "descriptor.binpb")
    return folder


def test_generated_python_is_fresh(regenerated: Path) -> None:
    committed = _contents(ROOT / "protos" / "gen")
    fresh = _contents(regenerated / "gen")
    check(
        f"protos/gen/{name}:1: not what the .proto files give; {GENERATE}"
        for name in sorted(committed.keys() | fresh.keys())
        if committed.get(name) != fresh.get(name)
    )


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for pattern in ("*.py", "*.pyi")
        for path in folder.rglob(pattern)
    }


def test_descriptor_set_is_fresh(regenerated: Path) -> None:
    fresh = (regenerated / "descriptor.binpb").read_bytes()
    assert DESCRIPTOR.read_bytes() == fresh, f"gateway/descriptor.binpb:1: {GENERATE}"


@pytest.mark.parametrize("listener", Listener)
def test_openapi_is_fresh_and_valid(listener: Listener) -> None:
    file = DOCUMENTS[listener]
    assert file.read_text() == render(DESCRIPTOR, listener), (
        f"gateway/{file.name}:1: run `python -m gateway.openapi`"
    )
    OpenAPIV31SpecValidator(document(DESCRIPTOR, listener)).validate()


@pytest.mark.parametrize("listener", Listener)
def test_table_of_routes_is_fresh(listener: Listener) -> None:
    file = routes.TABLES[listener]
    assert file.read_text() == routes.render(DESCRIPTOR, listener), (
        f"{file}:1: run `python -m gateway.routes`"
    )


BUF = {
    "lint": ("lint", "gateway/descriptor.binpb", "--config", "protos/buf.yaml"),
    "format": ("format", "protos", "--diff", "--exit-code"),
    "breaking": (
        *("breaking", "gateway/descriptor.binpb", "--against", "protos/released.binpb"),
        *("--config", "protos/buf.yaml"),
    ),
}


@pytest.mark.parametrize("arguments", BUF.values(), ids=BUF.keys())
def test_buf_agrees(arguments: tuple[str, ...]) -> None:
    _run("buf", *arguments)


def test_imports_keep_to_the_contracts() -> None:
    _run("lint-imports", "--no-cache", "--no-logo")


def _run(tool: str, *arguments: str) -> None:
    finished = subprocess.run(
        [TOOLS / tool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, f"{tool} says:\n{finished.stdout}{finished.stderr}"


def test_locks_carry_no_addresses() -> None:
    address = re.compile(
        r"https?://|file:|--(extra-)?index-url|--find-links|^-[fi] ", re.IGNORECASE
    )
    locks = [*ROOT.glob("*.lock"), *(ROOT / "deploy").rglob("*.lock")]
    assert locks
    check(
        f"{path.relative_to(ROOT)}:{number}: a lock holds names, versions and hashes; remove this"
        for path in locks
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if address.search(line)
    )


def test_locked_packages_are_hashed() -> None:
    locks = [*ROOT.glob("*.lock"), *(ROOT / "deploy").rglob("*.lock")]
    check(
        f"{path.relative_to(ROOT)}:1: {name} has no hash; lock again"
        for path in locks
        for name in re.findall(r"^([\w.\[\]-]+)==[^\\\n]*$", path.read_text(), re.MULTILINE)
    )
