"""The limit: the load that the server itself takes, measured with its own pgbench. Each transaction
inserts the rows of one new payment one by one, as prepared statements, and nothing is computed."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from deploy.local.mesh.placement import INSTALL, installed_package
from deploy.local.process.terminal import Problem
from tests.benchmarks import samples
from tests.benchmarks.server import Server

DATABASE = "limit"
THREADS = 2
# How long all of its clients may take to log in, which is no part of what is measured.
LOGIN_SECONDS = 120.0
POLL_SECONDS = 0.05
# It is ended by us when we have measured.
LONGEST_SECONDS = 3600
# One transaction takes one number, and nothing else writes meanwhile.
_NOW = """
    SELECT extract(epoch FROM statement_timestamp())::float8 AS at,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transactions
"""
_LOGGED_IN = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'pgbench'
"""


@dataclass(frozen=True)
class Measured:
    """One run of pgbench."""

    rate: float
    latency_ms: float


async def write_script(server: Server, sample_of: str, folder: Path) -> Path:
    """A pgbench script made from the newest payment in a database of ours."""
    async with server.connected(sample_of) as connection:
        new_id = "uuidv7()" if connection.get_server_version() >= (18,) else "gen_random_uuid()"
        payment_id = await connection.fetchval("SELECT id FROM payments ORDER BY id DESC LIMIT 1")
        rows = [
            row
            for table, column in samples.CREATED.items()
            for row in await samples.rows_of(connection, table, column, str(payment_id))
        ]
    script = folder / "limit.sql"
    script.write_text("\n".join(["BEGIN;", *(_insert(row, new_id) for row in rows), "COMMIT;", ""]))
    return script


def _insert(row: samples.Row, new_id: str) -> str:
    values = {name: literal for name, (_, literal) in row.columns.items()}
    returning = ";"
    if row.table == "idempotency_keys":
        values |= {"key": f"'limit-' || {new_id}::text", "payment_id": new_id}
        returning = " RETURNING payment_id \\gset"
    elif row.table == "quotes":
        values |= {"id": new_id, "payment_id": ":payment_id"}
        returning = " RETURNING id AS quote_id \\gset"
    elif row.table == "payments":
        values |= {"id": ":payment_id", "quote_id": ":quote_id", "user_id": "gen_random_uuid()"}
    else:
        values["payment_id"] = ":payment_id"
    times = {name: "now()" for name, (kind, _) in row.columns.items() if kind.startswith("timest")}
    values |= times
    # A colon inside a literal would be read as a variable.
    texts = (_without_colons(text) for text in values.values())
    return f"INSERT INTO {row.table} ({', '.join(values)}) VALUES ({', '.join(texts)}){returning}"


def _without_colons(text: str) -> str:
    if not text.startswith(("'", "E'")) or "||" in text:
        return text
    escaped = text.removeprefix("E").replace(":", "\\072")
    is_plain = escaped == text
    return text if is_plain else "E" + escaped


async def pgbench(server: Server, script: Path, *, connections: int, seconds: float) -> Measured:
    """Runs the script on so many connections, and measures so long once all are logged in.

    Raises Problem where it ends by itself, or one of its clients does.
    """
    process = await _start(server, script, connections)
    try:
        async with server.connected(DATABASE) as connection:
            await _until_logged_in(connection, process, connections)
            before = await connection.fetchrow(_NOW)
            await asyncio.sleep(seconds)
            after = await connection.fetchrow(_NOW)
            left = await connection.fetchval(_LOGGED_IN)
        transactions = after["transactions"] - before["transactions"]
        if left != connections or not transactions:
            raise await _failed(process, f"{left} of {connections} clients are left")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    rate = transactions / (after["at"] - before["at"])
    # Each client waits for its answer before it goes on.
    return Measured(rate, 1000 * connections / rate)


async def _start(server: Server, script: Path, connections: int) -> asyncio.subprocess.Process:
    url = make_url(server.database(DATABASE).migration_url)
    flags = ("-n", "-M", "prepared", "-c", str(connections), "-j", str(min(THREADS, connections)))
    return await asyncio.create_subprocess_exec(
        str(binary()),
        *flags,
        *("-T", str(LONGEST_SECONDS), "-f", str(script)),
        *("-h", str(url.host), "-p", str(url.port or 5432), "-U", str(url.username)),
        str(url.database),
        env={"PGPASSWORD": url.password or "", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


async def _until_logged_in(
    connection: Any, process: asyncio.subprocess.Process, connections: int
) -> None:
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            while await connection.fetchval(_LOGGED_IN) < connections:
                if process.returncode is not None:
                    raise await _failed(process, f"exit code {process.returncode}")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise Problem(f"pgbench's clients are not in after {LOGIN_SECONDS:.0f} s") from None


async def _failed(process: asyncio.subprocess.Process, what: str) -> Problem:
    if process.returncode is None:
        process.kill()
    errors = (await process.stderr.read()).decode() if process.stderr else ""
    said = errors.strip().splitlines()[-1:] or [what]
    return Problem(f"pgbench failed ({what}): {said[0]}")


def binary() -> Path:
    """pgbench of the server we ship, or one on the PATH. Raises Problem."""
    shipped = installed_package() / INSTALL / "bin" / "pgbench"
    found = shipped if shipped.is_file() else Path(shutil.which("pgbench") or "")
    if not found.is_file():
        raise Problem("there is no pgbench; leave the part `limit` out with --only")
    return found
