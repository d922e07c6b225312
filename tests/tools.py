"""Tools of others that some tests drive: found on the path, or else built once by the Go toolchain
where there is one, and kept. A test whose tool cannot be had is skipped with the reason."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

BUILD_SECONDS = 300
TOOLS = ROOT / ".caravel" / "tools"


def go_tool(package: str) -> Path:
    """The program that a Go package at a version builds, for example
    "github.com/stripe/stripe-mock@v0.203.0"."""
    name = package.partition("@")[0].rpartition("/")[2]
    if found := shutil.which(name):
        return Path(found)
    go = shutil.which("go")
    if go is None:
        pytest.skip(f"{name} is not installed, and there is no Go toolchain to build it with")
    if not (TOOLS / name).exists():
        try:
            subprocess.run(
                [go, "install", package],
                env={**os.environ, "GOBIN": str(TOOLS)},
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"{name} could not be built: {str(error.stderr or error).strip()[-200:]}")
    return TOOLS / name
