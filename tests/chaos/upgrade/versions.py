"""The two versions at a migration: the code before the commit that has added it, and the code of
that commit, each in a folder of its own. They are taken out of the repository's history."""

import os
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from deploy import ROOT
from deploy.local.process.child import Spec
from deploy.local.process.terminal import Problem

MIGRATIONS = "services/payments/base/migrations/versions"
# All that a process or a migration of a version reads.
PARTS = ("services", "gateway", "deploy", "protos", "alembic.ini")


@dataclass(frozen=True, kw_only=True)
class Version:
    """The code of one commit in a folder of its own."""

    commit: str
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """The environment by which a process has this code."""
        path = os.pathsep.join((str(self.folder), str(self.folder / "protos/gen")))
        return {"PYTHONPATH": path, "BUILD_COMMIT": self.commit}

    def runs(self, spec: Spec) -> Spec:
        """A process of this checkout as one of that code, with the files of that version."""
        command = tuple(map(self._own, spec.command))
        environment = {name: self._own(value) for name, value in spec.environment.items()}
        return replace(spec, command=command, environment={**environment, **self.variables})

    def _own(self, word: str) -> str:
        for part in ("alembic.ini", "deploy/"):
            word = word.replace(f"{ROOT}/{part}", f"{self.folder}/{part}")
        return word


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """From the version before a migration to the one with it."""

    revision: str
    before: Version
    after: Version


def upgrade_across(revision: str, folder: Path) -> Upgrade:
    """Takes both versions out of the history. Raises Problem where it does not have them."""
    added = _git("log", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/{revision}_*.py")
    if len(added.split()) != 1:
        raise Problem(f"the history does not say which commit has added migration {revision}")
    commits = {"before": _git("rev-parse", f"{added.strip()}^").strip(), "after": added.strip()}
    versions = {name: _taken_out(commit, folder / name) for name, commit in commits.items()}
    return Upgrade(revision=revision, **versions)


def revisions() -> Sequence[str]:
    """All migrations, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (ROOT / MIGRATIONS).glob("0*.py"))


def _taken_out(commit: str, folder: Path) -> Version:
    packed = _run("archive", commit, *PARTS)
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return Version(commit=commit, folder=folder)


def _git(*words: str) -> str:
    return _run(*words).decode()


def _run(*words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise Problem(f"git {words[0]}: {done.stderr.decode().strip()}")
    return done.stdout
