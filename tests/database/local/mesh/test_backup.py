"""A backup of the embedded database, of either kind, brings back what was there when it was taken,
in this sandbox and in another; one that is damaged changes nothing."""

import hashlib
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from deploy.local.mesh import backup, postgres
from deploy.local.mesh.backup import Kind, kind_of
from deploy.local.mesh.credentials import load_or_make
from deploy.local.mesh.placement import place
from deploy.local.mesh.postgres import COPIER, COPIER_MARK, RESTORED, Cluster
from deploy.local.process.terminal import Problem
from tests.database.local.mesh.older import migrate
from tests.servers import folder_in_memory

NAMES = "SELECT array_agg(id ORDER BY id) FROM merchants WHERE id IN ('before', 'after')"
KINDS = pytest.mark.parametrize("kind", [*Kind])


@dataclass(frozen=True)
class Taken:
    """A cluster, and a backup of each kind from before its last row."""

    cluster: Cluster
    files: dict[Kind, Path]


def _sandbox() -> tuple[TemporaryDirectory[str], Cluster]:
    # Not tmp_path: PostgreSQL's user could not pass through it.
    kept = TemporaryDirectory(prefix="caravel-backup-", dir=folder_in_memory())
    folder = Path(kept.name)
    folder.chmod(0o711)
    placement = place(folder / "home", elsewhere=folder / "elsewhere")
    return kept, Cluster(placement, load_or_make(folder / "credentials.json"))


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    kept, cluster = _sandbox()
    folder = tmp_path_factory.mktemp("backups")
    files = {kind: folder / f"taken{kind.suffix}" for kind in Kind}
    with kept:
        cluster.prepare()
        with postgres.running_on_free_port(cluster, folder / "log") as port:
            assert migrate(cluster.owner_url(port)) == 0
            _sql(cluster, port, "INSERT INTO merchants (id, display_name) VALUES ('before', 'B')")
            for kind, file in files.items():
                backup.take(cluster, port, kind, file)
            _sql(cluster, port, "INSERT INTO merchants (id, display_name) VALUES ('after', 'A')")
        yield Taken(cluster, files)


@pytest.fixture
def empty() -> Iterator[Cluster]:
    """Another sandbox, with other passwords, which has no database yet."""
    kept, cluster = _sandbox()
    with kept:
        yield cluster


def _sql(cluster: Cluster, port: int, statement: str) -> None:
    psql = cluster.placement.binaries / "psql"
    words = ("--no-psqlrc", "--quiet", cluster.owner_url(port), "--command", statement)
    postgres.run_program(cluster.placement, psql.name, *words)


async def _asked(cluster: Cluster, log: Path, question: str) -> object:
    with postgres.running(cluster, log) as server:
        connection = await asyncpg.connect(server.application_url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()


@KINDS
async def test_it_brings_back_what_was_there_in_another_sandbox(
    taken: Taken, empty: Cluster, tmp_path: Path, kind: Kind
) -> None:
    aside = backup.restore(empty, taken.files[kind], tmp_path / "log")

    assert aside is None
    assert await _asked(empty, tmp_path / "log", NAMES) == ["before"]


@KINDS
async def test_the_database_that_was_there_is_set_aside(
    taken: Taken, tmp_path: Path, kind: Kind
) -> None:
    home = taken.cluster.placement.home
    newer = taken.cluster.placement.cluster

    aside = backup.restore(taken.cluster, taken.files[kind], tmp_path / "log")

    assert aside
    assert await _asked(taken.cluster, tmp_path / "log", NAMES) == ["before"]
    assert not (home / "restoring").exists()
    newer.rename(home / f"tried-{kind}")
    aside.rename(newer)
    assert await _asked(taken.cluster, tmp_path / "log", NAMES) == ["after", "before"]


def _sum_beside(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")


def _sum(file: Path) -> None:
    """The sum of a file that somebody has changed on purpose."""
    _sum_beside(file).write_text(hashlib.sha256(file.read_bytes()).hexdigest())


def _without_the_end(file: Path, damaged: Path) -> None:
    damaged.write_bytes(file.read_bytes()[:-5_000])


def _with_another_byte(file: Path, damaged: Path) -> None:
    _rewritten(file, damaged, lambda name, read: read if name != "global/1260" else b"x" + read[1:])


def _without_a_file(file: Path, damaged: Path) -> None:
    _rewritten(file, damaged, lambda name, read: None if name == "global/1260" else read)


def _without_its_log(file: Path, damaged: Path) -> None:
    _rewritten(file, damaged, lambda name, read: None if name.startswith("pg_wal/0") else read)


def _rewritten(file: Path, damaged: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    with ExitStack() as opened:
        archive = opened.enter_context(tarfile.open(file))
        written = opened.enter_context(tarfile.open(damaged, "w:gz", compresslevel=1))
        for member in archive:
            source = archive.extractfile(member)
            content = change(member.name, source.read()) if source else b""
            if content is not None:
                member.size = len(content)
                written.addfile(member, BytesIO(content))


@pytest.mark.parametrize(
    "damage",
    [
        _without_the_end,
        _with_another_byte,
        _without_a_file,
        _without_its_log,
    ],
)
def test_a_damaged_base_backup_changes_nothing(
    taken: Taken, empty: Cluster, tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    damage(taken.files[Kind.BASE], tmp_path / "damaged")
    _sum(tmp_path / "damaged")

    with pytest.raises(Problem):
        backup.restore(empty, tmp_path / "damaged", tmp_path / "log")

    assert [file.name for file in empty.placement.home.iterdir() if file.is_dir()] == []


@KINDS
def test_half_a_backup_is_known_by_its_sum(
    taken: Taken, empty: Cluster, tmp_path: Path, kind: Kind
) -> None:
    _without_the_end(taken.files[kind], tmp_path / "damaged")
    (tmp_path / "damaged.sha256").write_text(_sum_beside(taken.files[kind]).read_text())

    with pytest.raises(Problem, match="is damaged: its sum"):
        backup.restore(empty, tmp_path / "damaged", tmp_path / "log")

    assert not empty.placement.home.exists()


def test_a_backup_without_its_sum_is_refused(taken: Taken, empty: Cluster, tmp_path: Path) -> None:
    (tmp_path / "moved").write_bytes(taken.files[Kind.DUMP].read_bytes())

    with pytest.raises(Problem, match=r"moved\.sha256 is missing"):
        backup.restore(empty, tmp_path / "moved", tmp_path / "log")


def test_the_sum_is_the_one_that_sha256sum_reads(taken: Taken) -> None:
    file = taken.files[Kind.BASE]

    subprocess.run(["sha256sum", "--check", _sum_beside(file)], cwd=file.parent, check=True)


def test_another_file_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("nothing")

    with pytest.raises(Problem, match="is no backup"):
        kind_of(tmp_path / "notes")


def test_a_backup_replaces_none(taken: Taken) -> None:
    with pytest.raises(Problem, match="choose another name"):
        backup.take(taken.cluster, 1, Kind.BASE, taken.files[Kind.BASE])


def test_a_backup_that_fails_leaves_no_file(taken: Taken, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="pg_basebackup failed"):
        backup.take(taken.cluster, 1, Kind.BASE, tmp_path / "none")

    assert [*tmp_path.iterdir()] == []


async def test_an_exchange_that_was_cut_is_ended_by_the_next_start(
    taken: Taken, empty: Cluster, tmp_path: Path
) -> None:
    backup.restore(empty, taken.files[Kind.BASE], tmp_path / "log")
    empty.placement.cluster.rename(empty.placement.home / RESTORED)

    empty.prepare()

    assert await _asked(empty, tmp_path / "log", NAMES) == ["before"]


def test_a_sandbox_from_before_backups_can_be_backed_up(empty: Cluster, tmp_path: Path) -> None:
    empty.prepare()
    cluster = empty.placement.cluster
    empty.as_superuser([f"DROP ROLE {COPIER}"])
    (cluster / COPIER_MARK).unlink()
    (cluster / "pg_hba.conf").write_text(postgres.ACCESS)

    empty.prepare()

    with postgres.running_on_free_port(empty, tmp_path / "log") as port:
        backup.take(empty, port, Kind.BASE, tmp_path / "taken")
    assert kind_of(tmp_path / "taken") is Kind.BASE
