"""Tools of others that some tests drive: found on the path, or else fetched from Debian or built by
the Go toolchain once where that can be done, and kept. A test whose tool cannot be had is skipped
with the reason."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT

BUILD_SECONDS = 300
TOOLS = ROOT / ".caravel" / "tools"


def debian_tool(package: str, name: str) -> Path:
    """A program of one of Debian's packages, which is unpacked and not installed: nobody wants its
    service on the machine."""
    if found := shutil.which(name):
        return Path(found)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip(f"{name} is not installed, and there is no apt-get to fetch it")
    tool = TOOLS / package / "usr" / "bin" / name
    if not tool.exists():
        TOOLS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
            try:
                _run(["apt-get", "download", package], folder)
                (archive,) = Path(folder).glob("*.deb")
                _run(["dpkg-deb", "--extract", archive.name, package], folder)
                # Another run may have been first.
                with suppress(OSError):
                    (Path(folder) / package).rename(TOOLS / package)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                reason = str(error.stderr or error).strip()[-200:]
                pytest.skip(f"{name} could not be fetched: {reason}")
    return tool


def _run(command: Sequence[str], folder: str) -> None:
    subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS, check=True
    )


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
