"""Other people's SDKs, installed once for each set of pinned versions, outside the tree. Where a
tool or a package cannot be had, the test is skipped with the reason."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).with_name("sdks")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caravel" / "sdks"
INSTALL_SECONDS = 180
RUN_SECONDS = 120


def program(name: str) -> str:
    """The path of a program; skips where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(command: Sequence[str], seconds: int = RUN_SECONDS) -> None:
    """Runs a program to its end. Raises CalledProcessError, TimeoutExpired."""
    subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True, cwd=CACHE)


async def calls(command: Sequence[str], **environment: str) -> list[str]:
    """The names of the calls that a program has made, each answered as it should be."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(RUN_SECONDS):
        said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()[-3000:]
    made: list[str] = json.loads(said.decode().strip().splitlines()[-1])
    return made


def node_modules() -> str:
    """The folder of the SDKs for Node, by the lock file beside their list."""
    program("node")
    npm = program("npm")
    pins = (HERE / "package-lock.json").read_bytes()

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        run([npm, "ci", "--ignore-scripts", "--prefix", str(folder)], INSTALL_SECONDS)

    return str(_installed(pins, install))


def class_path(jars: Mapping[str, str]) -> str:
    """The class path of these artifacts, each with the SHA-256 of its file."""
    program("javac")
    maven = program("mvn")

    def install(folder: Path) -> None:
        for artifact, digest in jars.items():
            copy = ["dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
            run([maven, "-q", "-B", *copy], INSTALL_SECONDS)
            _, name, version = artifact.split(":")
            found = hashlib.sha256((folder / f"{name}-{version}.jar").read_bytes()).hexdigest()
            if found != digest:
                raise subprocess.CalledProcessError(1, "sha256", stderr=f"{name} is {found}")

    return f"{_installed(repr(sorted(jars.items())).encode(), install)}/*"


def python_path(lock: str) -> str:
    """The folder of the packages that a lock file beside this one names, with their hashes."""

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
        run([*pip, "-r", str(HERE / lock), "--target", str(folder)], INSTALL_SECONDS)

    return str(_installed((HERE / lock).read_bytes(), install))


def _installed(pins: bytes, install: Callable[[Path], None]) -> Path:
    """The folder of these pinned versions, installed at first; skips where they cannot be."""
    folder = CACHE / hashlib.sha256(pins).hexdigest()[:16]
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    # Another process may install the same: the first one puts it there whole.
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        install(part)
        if not folder.exists():
            part.rename(folder)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(getattr(error, "stderr", "") or error).strip()[-200:]
        pytest.skip(f"it could not be installed: {said}")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder
