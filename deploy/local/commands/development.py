"""The commands of those who change Caravel. `test` runs the rings of tests, from the quickest to
the one that breaks the whole mesh; `check` runs every tool that checks the code, one after the
other; `protos` generates all that is made from the .proto files; `chaos`, `hostile`, `mutants` and
`bench` become programmes of the test tree."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from deploy import ROOT
from deploy.local.mesh.state import DataDir
from deploy.local.process import terminal
from deploy.local.process.terminal import Problem, is_coloured, paint, say

# Each runs side by side with the others, as meshes mostly wait: for leases to end, and for what was
# broken to heal. All take about as long; in each, what is cheap and near the code fails first.
RUNS = (
    ("unit", "wire", "house", "browser"),
    ("database", "contract", "e2e"),
    ("hostile", "benchmarks", "chaos"),
)
RINGS = tuple(ring for run in RUNS for ring in run)
# The exit code of pytest where no test was selected.
NOTHING_TO_RUN = 5
POLL_SECONDS = 0.2
CHUNK_BYTES = 65_536
# The bootstrap is a script without the suffix that the tools look for.
SCRIPT = "caravel"
DESCRIPTOR = "gateway/descriptor.binpb"
BUF_CONFIG = ("--config", "protos/buf.yaml")

Command = tuple[str, ...]

CHECKS: dict[str, Command] = {
    "lint": ("ruff", "check", ".", SCRIPT),
    "format": ("ruff", "format", "--check", ".", SCRIPT),
    "types": ("mypy",),
    "types of caravel": ("mypy", "--scripts-are-modules", SCRIPT),
    "imports": ("lint-imports", "--no-logo"),
    "protos lint": ("buf", "lint", DESCRIPTOR, *BUF_CONFIG),
    "protos format": ("buf", "format", "protos", "--diff", "--exit-code"),
    "protos breaking": (
        *("buf", "breaking", DESCRIPTOR, "--against", "protos/released.binpb"),
        *BUF_CONFIG,
    ),
    "generated files": ("pytest", "-q", "tests/house/test_house_generated.py", "-k", "fresh"),
}
GENERATORS: dict[str, Command] = {
    "Python and descriptor": ("python", "protos/generate.py"),
    "OpenAPI": ("python", "-m", "gateway.openapi"),
    "table of routes": ("python", "-m", "gateway.routes"),
}


# The packages of the image of the services, with their hashes.
IMAGE_LOCK = "deploy/requirements.lock"
SBOM: Command = (
    *("-m", "cyclonedx_py", "requirements", IMAGE_LOCK, "--pyproject", "pyproject.toml"),
    *("--mc-type", "application", "--spec-version", "1.6", "--output-format", "JSON"),
    *("--output-reproducible", "--validate"),
)


def environment() -> dict[str, str]:
    """Our environment, but for the variable that makes Python compile every module again at each
    start, in every process of the mesh of a test."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def sbom(parsed: argparse.Namespace) -> int:
    """Writes the software bill of materials of the image; the same lock file gives the same one."""
    output = str(parsed.output.absolute()) if parsed.output else "-"
    return subprocess.call([sys.executable, *SBOM, "--output-file", output], cwd=ROOT)  # noqa: S603


def test(names: Sequence[str], pytest_arguments: Sequence[str]) -> int:
    """Runs pytest on the given rings, on all without any; its exit code, or the worst of several.

    Raises Problem for an unknown ring.
    """
    wanted = folders(names)
    if "tests/browser" in wanted:
        _ensure_chromium()
    first, *others = _runs(wanted)
    with ExitStack() as stack:
        beside = []
        for run in others:
            output = stack.enter_context(tempfile.TemporaryFile())
            say(f"Side by side, and shown after the others: {', '.join(run)}.")
            process = _pytest(pytest_arguments, run, output)
            stack.callback(_end_of, process)
            beside.append((run, process, output))
        codes = [_end_of(_pytest(pytest_arguments, first))]
        for run, process, output in beside:
            say(f"\nBeside it, {', '.join(run)}:")
            _follow(output, process)
            codes.append(_end_of(process))
    return worst(codes)


def worst(codes: Iterable[int]) -> int:
    """The exit code of all runs together: a failure, also by a signal (negative), before a success,
    and a success before nothing to run."""
    return min(codes, key=lambda code: {0: 1, NOTHING_TO_RUN: 2}.get(code, 0))


def _runs(wanted: Sequence[str]) -> list[list[str]]:
    """The wanted folders of each run that has any."""
    runs = ([folder for folder in wanted if folder in _folders_of(run)] for run in RUNS)
    return [run for run in runs if run]


def _folders_of(rings: Iterable[str]) -> list[str]:
    return [f"tests/{ring}" for ring in rings]


def _ensure_chromium() -> None:
    """Installs Debian's Chromium where that can be done; without it the ring is skipped, and says
    so."""
    installer = shutil.which("apt-get")
    if shutil.which("chromium") or not installer or os.geteuid() != 0:
        return
    say("Installing Chromium for the tests in a browser …")
    command = [installer, "install", "-y", "chromium"]
    subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


def _pytest(
    arguments: Sequence[str], wanted: Sequence[str], output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    colour = ["--color=yes"] if is_coloured() else []
    command = [sys.executable, "-m", "pytest", "--durations=10", *colour, *arguments, *wanted]
    return subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env=environment(), stdout=output, stderr=output
    )


def _end_of(process: subprocess.Popen[bytes]) -> int:
    """Its exit code. A person who interrupts us interrupts it too, and it then still cleans up."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


def _follow(output: IO[bytes], writer: subprocess.Popen[bytes]) -> None:
    """Shows what was written so far, and what is still written until the writer has ended."""
    position = 0
    is_over = False
    while not is_over:
        is_over = writer.poll() is not None
        # The writer shares the file and its position, so this is read without moving there.
        while chunk := os.pread(output.fileno(), CHUNK_BYTES, position):
            position += len(chunk)
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        if not is_over:
            time.sleep(POLL_SECONDS)


def folders(names: Sequence[str]) -> list[str]:
    """Where the tests of these rings are, in the order of RINGS. Raises Problem."""
    unknown = [name for name in names if name not in RINGS]
    if unknown:
        raise Problem(f"there is no ring {unknown[0]}; there are: {', '.join(RINGS)}")
    wanted = _folders_of(name for name in RINGS if name in (names or RINGS))
    return [folder for folder in wanted if (ROOT / folder).is_dir()]


def check() -> int:
    """Runs every check whatever the others say; returns 1 where any failed."""
    results = {name: _run(name, command) for name, command in CHECKS.items()}
    say(paint("\n  check", terminal.BOLD))
    for name, (passed, seconds) in results.items():
        mark = paint("✓", terminal.GREEN) if passed else paint("✗", terminal.RED)
        say(f"  {mark} {name:<18} {paint(f'{seconds:5.1f} s', terminal.DIM)}")
    return _code(passed for passed, _ in results.values())


def protos() -> int:
    """Generates every file again, each after the files from which it is made."""
    return _code(_run(name, command)[0] for name, command in GENERATORS.items())


def _code(passed: Iterable[bool]) -> int:
    return 0 if all(passed) else 1


def _run(name: str, command: Command) -> tuple[bool, float]:
    say(paint(f"── {name}: {' '.join(command)}", terminal.DIM))
    started = time.monotonic()
    tool, *arguments = command
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).parent / tool), *arguments],
        cwd=ROOT,
        env=environment(),
        check=False,
    )
    return done.returncode == 0, time.monotonic() - started


def chaos(parsed: argparse.Namespace) -> int:
    """Becomes `tests.chaos` with these arguments."""
    data_dir = DataDir.at(parsed.data_dir)
    names = ("seed", "minutes", "losses", "seeds", "rate", "only")
    given = {name: getattr(parsed, name) for name in names}
    given["at-once"] = parsed.at_once
    words = [f"--{name}={value}" for name, value in given.items() if value not in (None, "")]
    words += [f"--{name}" for name in ("keep", "planted") if getattr(parsed, name)]
    return _become("tests.chaos", [*words, f"--data-dir={data_dir.root}"])


def hostile(parsed: argparse.Namespace) -> int:
    """Becomes `tests.hostile` with these arguments."""
    words = [f"--{name}={getattr(parsed, name)}" for name in ("seed", "cases")]
    return _become("tests.hostile", [*words, f"--data-dir={DataDir.at(parsed.data_dir).root}"])


def mutants(parsed: argparse.Namespace) -> int:
    """Becomes `tests.mutants` with these arguments."""
    words = [f"--only={parsed.only}"] if parsed.only else []
    words += [f"--at-once={parsed.at_once}"] if parsed.at_once else []
    return _become("tests.mutants", [*words, f"--data-dir={DataDir.at(parsed.data_dir).root}"])


def bench(parsed: argparse.Namespace) -> int:
    """Becomes `tests.benchmarks` with these arguments."""
    words = [f"--{name}={getattr(parsed, name)}" for name in ("rounds", "seconds", "only")]
    words += [f"--growth={parsed.growth}"] if parsed.growth else []
    words += [f"--{name}" for name in ("smoke", "publish") if getattr(parsed, name)]
    return _become("tests.benchmarks", [*words, f"--data-dir={DataDir.at(parsed.data_dir).root}"])


def _become(module: str, arguments: Sequence[str]) -> int:
    """Becomes a programme of the test tree."""
    os.chdir(ROOT)
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment())  # noqa: S606
