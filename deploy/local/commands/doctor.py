"""`./caravel doctor`: looks at all that a start needs, and says what is wrong before a start
does."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from deploy import ROOT, authority
from deploy.local.mesh import database, ports, processes, state
from deploy.local.mesh.placement import INSTALL, installed_package, place
from deploy.local.mesh.state import DataDir
from deploy.local.process import terminal
from deploy.local.process.terminal import Problem, paint, say
from services.shared.certificates import IdentityUnusable, files_in, read_certificate

LEAST_FREE_BYTES = 1_000_000_000

# Answers with a remark, or raises Problem.
Examination = Callable[[], str]


def doctor(data_dir: DataDir, asked_for: Collection[int]) -> int:
    """Examines all of it; returns the number of things that are wrong, 1 at most."""
    examinations: tuple[tuple[str, Examination], ...] = (
        ("Python", _python),
        ("Envoy", lambda: _version(processes.envoy_binary())),
        ("PostgreSQL", lambda: _version(installed_package() / INSTALL / "bin" / "postgres")),
        ("database", lambda: _database(data_dir)),
        ("ports", lambda: _ports(data_dir, asked_for)),
        ("data folder", lambda: _folder(data_dir)),
        ("certificates", lambda: _certificates(data_dir)),
    )
    healthy = [_examine(name, look) for name, look in examinations]
    say(f"\n  {'All is well.' if all(healthy) else 'Something is wrong; see above.'}")
    return 0 if all(healthy) else 1


def _examine(name: str, look: Examination) -> bool:
    try:
        terminal.done(name, look())
    except Problem as problem:
        say(f"  {paint('✗', terminal.RED)} {name:<12} {problem}")
        return False
    return True


def _python() -> str:
    return f"{platform.python_version()} in {Path(sys.prefix)}"


def _version(binary: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            [binary, "--version"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Problem(f"{binary} does not run: {error}") from None
    number = re.search(r"\d+\.\d+(\.\d+)?", done.stdout.replace(str(binary), ""))
    return number[0] if number else done.stdout.strip()


def _database(data_dir: DataDir) -> str:
    elsewhere = database.external()
    if elsewhere:
        database.refuse_unusable(elsewhere)
        database.warn_of_superusers(elsewhere)
        return f"{database.place_of(elsewhere.application_url)}, from DATABASE_URL"
    placement = place(data_dir.postgres)
    user = "as nobody, because root may not" if placement.run_as else "as you"
    # A place that is not made yet has no name that would last.
    folder = placement.home if placement.home.exists() else placement.home.parent
    return f"embedded, run {user}, in {folder}"


def _ports(data_dir: DataDir, asked_for: Collection[int]) -> str:
    if state.is_locked(data_dir):
        return "in use by the mesh that runs in this folder"
    for each in asked_for:
        if not ports.is_free(each):
            raise Problem(f"{each} is in use by another program; `up --help` has flags for ports")
    return f"{', '.join(map(str, asked_for))} are free"


def _certificates(data_dir: DataDir) -> str:
    folders = [data_dir.certificates / service for service in authority.SERVICES]
    if not any(folder.exists() for folder in folders):
        return "made with the first start"
    try:
        ends = min(read_certificate(files_in(folder)).expires_at for folder in folders)
    except IdentityUnusable as unusable:
        # Processes that run now go on with those from before.
        raise Problem(f"{unusable}; the next start, or the mesh that runs, renews it") from None
    return f"good until {ends:%Y-%m-%d %H:%M} UTC, and renewed before"


def _folder(data_dir: DataDir) -> str:
    folder = next(path for path in (data_dir.root, *data_dir.root.parents) if path.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Problem(f"{folder} may not be written to")
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise Problem(f"only {free / 1e6:.0f} MB are free in {folder}")
    shown = data_dir.root.relative_to(ROOT) if data_dir.root.is_relative_to(ROOT) else data_dir.root
    return f"{shown}, {free / 1e9:.0f} GB free"
