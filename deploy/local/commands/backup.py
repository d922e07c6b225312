"""`backup`, `restore` and `recover`: a copy of the embedded database, which is put back while no
mesh runs; and what follows. Packages are imported when a command runs."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.mesh import backup, state
from deploy.local.mesh.backup import Kind
from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import Problem, command, say

Add = Callable[..., argparse.ArgumentParser]
COMMANDS = {"backup", "restore", "recover"}


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the commands; `add` takes a name, what runs it, its help and its parents."""
    taken = add("backup", _backup, "copy the sandbox's database into a file", data)
    taken.add_argument(
        "--kind",
        type=Kind,
        choices=[*Kind],
        default=Kind.BASE,
        help="base: the whole server with its log (default); dump: the tables",
    )
    taken.add_argument("--to", type=Path, help="the file (default: in backups/ of the data folder)")
    restored = add("restore", _restore, "put a backup in the place of the sandbox's database", data)
    restored.add_argument("file", type=Path, help="what `backup` has written")
    verbs = add(
        "recover", _recover, "show whether the database is older than what has happened", data
    )
    verbs.add_argument(
        "verb", choices=["show", "compare", "start", "accept"], help="start: by what providers have"
    )
    verbs.add_argument("--reason", help="why, kept with the database")
    verbs.add_argument("--as", dest="name", help="who does it")
    verbs.add_argument("--json", action="store_true", help="of start: the report as JSON")


def _backup(words: argparse.Namespace) -> int:
    from deploy.local.commands.migrate import reachable  # noqa: PLC0415
    from deploy.local.mesh import credentials, database  # noqa: PLC0415

    _refuse_other_database()
    data_dir, kind = DataDir.at(words.data_dir), words.kind
    data_dir.make()
    file = words.to.resolve() if words.to else _file_in(data_dir, kind)
    cluster = database.own_cluster(data_dir, credentials.load_or_make(data_dir.credentials))
    with reachable(data_dir) as running:
        port = urlsplit(running.migration_url).port
        if port is None:
            raise Problem("the mesh is still starting")
        backup.take(cluster, port, kind, file)
    say(f"Written: {file} ({kind}, {file.stat().st_size / 1e6:.1f} MB).")
    say(f"Restore it with {command('restore', str(file), *data_dir.flags)}")
    return 0


def _restore(words: argparse.Namespace) -> int:
    from deploy.local.mesh import credentials, database  # noqa: PLC0415

    _refuse_other_database()
    data_dir, file = DataDir.at(words.data_dir), words.file.resolve()
    data_dir.make()
    with state.locked(data_dir):
        data_dir.refuse_full_disk()
        cluster = database.own_cluster(data_dir, credentials.load_or_make(data_dir.credentials))
        aside = backup.restore(cluster, file, data_dir.log("postgresql"))
    say(f"Restored from {file}.")
    if aside:
        say(f"The database that was there is in {aside}; delete it once you need it no more.")
    say(f"Payments after the backup are unknown to it. Start with {command('up', *data_dir.flags)}")
    return 0


def _recover(words: argparse.Namespace) -> int:
    from deploy.local.commands.migrate import recover  # noqa: PLC0415

    order = [words.verb]
    if words.verb in ("start", "accept"):
        if not (words.reason and words.name):
            raise Problem(f"{words.verb} needs --reason, and --as with your name")
        order += ["--reason", words.reason, "--as", words.name]
        order += ["--json"] if words.json and words.verb == "start" else []
    return recover(DataDir.at(words.data_dir), order)


def _file_in(data_dir: DataDir, kind: Kind) -> Path:
    data_dir.backups.mkdir(mode=0o700, exist_ok=True)
    return data_dir.backups / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}{kind.suffix}"


def _refuse_other_database() -> None:
    from deploy.local.mesh import database  # noqa: PLC0415

    if database.external():
        raise Problem(
            "DATABASE_URL names a server of your own, and this is for the embedded one; "
            "docs/backup.md says how yours is backed up"
        )
