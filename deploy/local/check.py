"""`./caravel check` and `./caravel protos`: every tool that checks the code, one after the other,
and the generation of all that is made from the .proto files."""

import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from deploy.local import terminal
from deploy.local.paths import ROOT
from deploy.local.terminal import paint, say

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
        [str(Path(sys.executable).parent / tool), *arguments], cwd=ROOT, check=False
    )
    return done.returncode == 0, time.monotonic() - started
