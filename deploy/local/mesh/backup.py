"""Backups of the embedded database, by the server's own programs: one file that is there whole or
not at all, with its sum beside it. A base backup is the whole server, with the log up to its end; a
dump is the tables alone. A restore is checked before the database that was there is set aside."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from deploy.local.mesh import postgres
from deploy.local.mesh.placement import Placement
from deploy.local.mesh.ports import HOST
from deploy.local.mesh.postgres import COPIER, DATABASE, OWNER, RESTORED, Cluster
from deploy.local.process.child import private
from deploy.local.process.terminal import Problem

_GZIP, _DUMP = b"\x1f\x8b", b"PGDMP"


class Kind(StrEnum):
    """The two kinds of backup."""

    BASE = "base"
    DUMP = "dump"

    @property
    def suffix(self) -> str:
        """How the name of its file ends."""
        return {Kind.BASE: ".base.tar.gz", Kind.DUMP: ".dump"}[self]


def take(cluster: Cluster, port: int, kind: Kind, file: Path) -> None:
    """Writes a backup of the server on this port to a new file. Raises Problem."""
    if file.exists():
        raise Problem(f"{file} exists; a backup replaces none, so choose another name")
    unfinished = file.with_name(file.name + ".new")
    words = _base_backup(port) if kind is Kind.BASE else _dump(port)
    try:
        with open(unfinished, "wb", opener=private) as output:
            _run(cluster, words, stdout=output.fileno())
            os.fsync(output.fileno())
        _sum_file(file).write_text(f"{_sha256(unfinished)}  {file.name}\n")
        unfinished.rename(file)
    finally:
        unfinished.unlink(missing_ok=True)
    _keep_names(file.parent)


def restore(cluster: Cluster, file: Path, log: Path) -> Path | None:
    """Puts the database of a backup in the place of the cluster's, on which no server runs.

    Returns the folder with the database that was there; None where none was. Raises Problem, and
    then nothing has changed.
    """
    kind = kind_of(file)
    _refuse_another_sum(file)
    home = cluster.placement.home
    if cluster.placement.cluster.exists():
        cluster.check_ownership()
    else:
        cluster.make_home()
    staged = replace(
        cluster, placement=replace(cluster.placement, home=home / "restoring", link=None)
    )
    shutil.rmtree(staged.placement.home, ignore_errors=True)
    staged.placement.make_home()
    try:
        if kind is Kind.BASE:
            _restore_base(staged, file)
        else:
            _restore_dump(staged, file, log)
        shutil.rmtree(home / RESTORED, ignore_errors=True)
        staged.placement.cluster.rename(home / RESTORED)
    finally:
        shutil.rmtree(staged.placement.home, ignore_errors=True)
    return _exchange(cluster)


def kind_of(file: Path) -> Kind:
    """The kind of a backup, by its first bytes. Raises Problem where the file is none."""
    with file.open("rb") as opened:
        start = opened.read(len(_DUMP))
    if start.startswith(_GZIP):
        return Kind.BASE
    if start == _DUMP:
        return Kind.DUMP
    raise Problem(f"{file} is no backup: neither a base backup (.tar.gz) nor a dump (.dump)")


def _restore_base(staged: Cluster, file: Path) -> None:
    placement = staged.placement
    placement.make_folder(placement.cluster)
    try:
        with tarfile.open(file) as archive:
            archive.extractall(placement.cluster, filter="data")
    except (tarfile.TarError, EOFError, OSError) as reason:
        raise Problem(f"{file} cannot be unpacked: {reason}") from None
    _give_away(placement)
    _refuse_damaged(placement.cluster, file)
    # The first start brings the files to the backup's end, or fails where its log is too short.
    staged.give_passwords(placement.cluster)


def _refuse_damaged(folder: Path, file: Path) -> None:
    """Compares every file with the server's own list of them.

    pg_verifybackup does the same, and does not run in every package of the server.
    """
    for each in json.loads((folder / "backup_manifest").read_bytes())["Files"]:
        path = folder / each["Path"]
        if not path.is_file() or _sha256(path) != each["Checksum"]:
            raise Problem(f"{file} is damaged: {each['Path']} is missing or differs")


def _refuse_another_sum(file: Path) -> None:
    """pg_restore takes half a dump without a word."""
    known = _sum_file(file)
    if not known.is_file():
        raise Problem(f"{known} is missing, which says whether the backup is whole")
    if known.read_text().split()[:1] != [_sha256(file)]:
        raise Problem(f"{file} is damaged: its sum is another than the one in {known}")


def _sum_file(file: Path) -> Path:
    """As sha256sum writes it, beside the backup."""
    return file.with_name(file.name + ".sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _restore_dump(staged: Cluster, file: Path, log: Path) -> None:
    staged.make(staged.placement.cluster)
    with postgres.running_on_free_port(staged, log) as port, file.open("rb") as opened:
        words = ("pg_restore", "--exit-on-error", "--single-transaction", *_login(OWNER, port))
        _run(staged, (*words, "--dbname", DATABASE), stdin=opened.fileno())


def _exchange(cluster: Cluster) -> Path | None:
    home = cluster.placement.home
    aside = home / f"replaced-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%f}"
    was_there = cluster.placement.cluster.exists()
    if was_there:
        cluster.placement.cluster.rename(aside)
    # An interruption here is ended by the next start: `prepare` takes RESTORED as the cluster.
    (home / RESTORED).rename(cluster.placement.cluster)
    _keep_names(home)
    return aside if was_there else None


def _base_backup(port: int) -> Sequence[str]:
    # As one archive, which may go where the server's own user could not write.
    archive = ("--pgdata=-", "--format=tar", "--wal-method=fetch", "--gzip")
    options = ("--checkpoint=fast", "--manifest-checksums=SHA256")
    return ("pg_basebackup", *_login(COPIER, port), *archive, *options)


def _dump(port: int) -> Sequence[str]:
    return ("pg_dump", *_login(OWNER, port), "--format=custom", "--dbname", DATABASE)


def _login(role: str, port: int) -> Sequence[str]:
    return (f"--host={HOST}", f"--port={port}", f"--username={role}", "--no-password")


def _run(
    cluster: Cluster,
    words: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> None:
    """Runs a client program as ourselves, who may touch the file. Raises Problem."""
    name, *options = words
    # Not among the words, which every user of the machine may read.
    environment: Mapping[str, str] = {
        **postgres.ENVIRONMENT,
        "PGPASSWORD": cluster.credentials.owner_password,
    }
    done = subprocess.run(  # noqa: S603
        [str(cluster.placement.binaries / name), *options],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise Problem(f"PostgreSQL's {name} failed: {lines[0].removeprefix(f'{name}: error: ')}")


def _give_away(placement: Placement) -> None:
    """Gives what we have unpacked to the user that runs the server."""
    for path in (placement.cluster, *placement.cluster.rglob("*")):
        if placement.run_as:
            os.chown(path, placement.run_as.uid, placement.run_as.gid)
        path.chmod(0o700 if path.is_dir() else 0o600)


def _keep_names(folder: Path) -> None:
    """Makes names last that were given in a folder, where its file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
