"""Lets a backup be old without waiting: all times in the database that was put back, and all times
in the simulator's book, become earlier by the same. So a backup is so old, and what happened since
began when it was taken."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.local.mesh.postgres import DATABASE, Cluster, run_statements
from tests.chaos.mesh import ChaosMesh

# The log of operators is a chain of hashes over its times.
_SHIFT = """
DO $$
DECLARE each record;
BEGIN
  FOR each IN
    SELECT c.table_name, string_agg(format('%1$I = %1$I - interval ''{seconds} seconds''',
                                           c.column_name), ', ') AS changes
      FROM information_schema.columns c
      JOIN information_schema.tables t USING (table_schema, table_name)
     WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
       AND c.data_type = 'timestamp with time zone' AND c.is_generated = 'NEVER'
       AND c.table_name <> 'operator_actions'
     GROUP BY c.table_name
  LOOP
    EXECUTE format('UPDATE %I SET %s', each.table_name, each.changes);
  END LOOP;
END $$
"""
# As the simulator's providers write a moment, whatever fraction and zone follow.
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d")
_EPOCH = re.compile(r"(?<=: )\d{10}(?=[,}\]])")
_NEAR = timedelta(days=2)


def age_database(cluster: Cluster, age: timedelta) -> None:
    """Makes every time in it earlier. No server runs on it."""
    if age:
        statements = (
            "SET session_replication_role = replica",
            _SHIFT.format(seconds=int(age.total_seconds())).strip(),
        )
        run_statements(cluster.placement, cluster.placement.cluster, statements, DATABASE)


async def age_book(mesh: ChaosMesh, age: timedelta) -> None:
    """Makes every time in the simulator's book earlier, while it is down."""
    if not age:
        return
    member = mesh.children["simulator"]
    member.hold_down()
    await member.ended()
    _age_file(Path(member.spec.environment["BOOK_FILE"]), age)
    member.let_up()
    await mesh.healthy("simulator")


def _age_file(book: Path, age: timedelta) -> None:
    book.write_text(aged(book.read_text(), age, datetime.now(UTC)))


def aged(text: str, age: timedelta, now: datetime) -> str:
    """The text with every moment near to now made earlier."""
    return _EPOCH.sub(_epoch(age, now), _ISO.sub(_iso(age, now), text))


def _iso(age: timedelta, now: datetime) -> Callable[[re.Match[str]], str]:
    def earlier(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(found[0]).replace(tzinfo=UTC)
        if abs(moment - now) > _NEAR:
            return found[0]
        return f"{moment - age:%Y-%m-%d{found[1]}%H:%M:%S}"

    return earlier


def _epoch(age: timedelta, now: datetime) -> Callable[[re.Match[str]], str]:
    def earlier(found: re.Match[str]) -> str:
        moment = datetime.fromtimestamp(int(found[0]), UTC)
        is_near = abs(moment - now) <= _NEAR
        return str(int(found[0]) - int(age.total_seconds())) if is_near else found[0]

    return earlier
