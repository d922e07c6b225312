"""`python -m tests.mutants`, which `./caravel mutants` becomes: one change of one line at a time in
the modules of money and of the engine, and whether any unit test notices. mutmut makes and tries
the mutants, in a copy of the checkout; pyproject.toml says which modules and tests."""

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mutmut.__main__ import create_file_mutants
from mutmut.configuration import config

from deploy import ROOT
from deploy.local.mesh.state import DEFAULT_DATA_DIR
from deploy.local.process.terminal import BOLD, complain, paint, say

# The part of the mutants that has to be noticed.
WANTED = 0.90
# How mutmut writes that the tests of a mutant passed, or that it has none.
UNNOTICED = frozenset({0, 5, 33})


@dataclass(frozen=True, kw_only=True)
class Score:
    """The score of the mutants of one module, or of several."""

    noticed: int
    all: int

    @property
    def share(self) -> float:
        """The part that was noticed; of nothing, everything."""
        return self.noticed / self.all if self.all else 1.0


def main() -> int:
    """Returns 1 where too few of the mutants are noticed."""
    parser = argparse.ArgumentParser(prog="caravel mutants", description=__doc__)
    parser.add_argument("--only", default="", help="of these modules, for example ledger,quote")
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), help="mutants at once")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    parsed = parser.parse_args()
    folder = parsed.data_dir.resolve() / "mutants"
    _copy_checkout(folder)
    mutants = folder / "mutants"
    with contextlib.chdir(folder):
        chosen = [name for name in sorted(_modules()) if _is_wanted(name, parsed.only)]
        for name in chosen:
            # It prints each file's name.
            with contextlib.redirect_stdout(io.StringIO()):
                made = create_file_mutants(Path(name))
            if made.error:
                raise made.error
    say(paint("\n  mutants", BOLD) + f": of {len(chosen)} modules, in {folder}")
    with (folder / "pytest.log").open("w") as log:
        run = subprocess.run(
            _pytest(parsed.at_once), cwd=mutants, stdout=log, stderr=log, check=False
        )
    tried = read(mutants)
    if run.returncode or not tried:
        complain(f"the end of {folder / 'pytest.log'} says why it failed")
        return 1
    scores = {path: score(exit_codes) for path, exit_codes in tried.items()}
    unnoticed = [name for exit_codes in tried.values() for name in survivors(exit_codes)]
    say("\n".join(f"  not noticed: {name}" for name in unnoticed))
    say(render(scores))
    return 0 if total(scores).share >= WANTED else 1


def _modules() -> Iterator[str]:
    """The modules of the checkout in this folder that are to be mutated."""
    for pattern in config().only_mutate:
        yield from (str(path) for path in Path().glob(pattern))


def _is_wanted(module: str, only: str) -> bool:
    return not only or any(name in Path(module).with_suffix("").parts for name in only.split(","))


def _pytest(at_once: int) -> list[str]:
    """The command that tries them all. Nothing is captured by pytest, whose files the processes
    of the mutants would share, and no failure is explained: nobody reads it."""
    silent = ["--capture=no", "--assert=plain", "--tb=no"]
    options = [
        "-p",
        "tests.mutants.trial",
        f"--at-once={at_once}",
        *silent,
        *config().pytest_add_cli_args,
    ]
    return [sys.executable, "-m", "pytest", *options, *config().pytest_add_cli_args_test_selection]


def _copy_checkout(folder: Path) -> None:
    """The files of the checkout as they are now, without what an earlier run has left: as they
    stay, and below `mutants` with the mutants in them, where mutmut looks for both."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        for copy in (folder / name, folder / "mutants" / name):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy)


def read(mutants: Path) -> dict[str, Mapping[str, int]]:
    """By module, each mutant that was tried and the exit code of its tests."""
    found: dict[str, Mapping[str, int]] = {}
    for meta in sorted(mutants.rglob("*.py.meta")):
        codes = json.loads(meta.read_text())["exit_code_by_key"]
        tried = {name: code for name, code in codes.items() if code is not None}
        if tried:
            found[str(meta.relative_to(mutants).with_suffix(""))] = tried
    return found


def score(exit_codes: Mapping[str, int]) -> Score:
    """How many were noticed."""
    return Score(
        noticed=sum(code not in UNNOTICED for code in exit_codes.values()), all=len(exit_codes)
    )


def survivors(exit_codes: Mapping[str, int]) -> list[str]:
    """The mutants that no test noticed; `mutmut show NAME` in the copy shows one."""
    return sorted(name for name, code in exit_codes.items() if code in UNNOTICED)


def total(scores: Mapping[str, Score]) -> Score:
    """All modules together."""
    return Score(
        noticed=sum(one.noticed for one in scores.values()),
        all=sum(one.all for one in scores.values()),
    )


def render(scores: Mapping[str, Score]) -> str:
    """A line a module, and one for all."""
    rows = [*scores.items(), ("all", total(scores))]
    return "\n".join(
        f"  {path:44} {one.noticed:5d} of {one.all:5d} noticed  {one.share:6.1%}"
        for path, one in rows
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)
