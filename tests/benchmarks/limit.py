"""The limit: what the server itself takes, measured with its own pgbench. Each transaction inserts
the rows of one new payment one by one, as prepared statements, and nothing is computed."""

import asyncio
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from deploy.local.placement import INSTALL, installed_package
from deploy.local.problem import Problem
from tests.benchmarks import samples
from tests.benchmarks.server import Server

DATABASE = "limit"
THREADS = 2
# It opens all connections within its time, though it does not count that.
CONNECTED_IN_A_SECOND = 32


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
    """Runs the script for so long on so many connections. Raises Problem."""
    url = make_url(server.database(DATABASE).migration_url)
    flags = ("-n", "-M", "prepared", "-c", str(connections), "-j", str(min(THREADS, connections)))
    process = await asyncio.create_subprocess_exec(
        str(binary()),
        *flags,
        *(
            "-T",
            str(round(max(1, seconds)) + connections // CONNECTED_IN_A_SECOND + 1),
            "-f",
            str(script),
        ),
        *("-h", str(url.host), "-p", str(url.port or 5432), "-U", str(url.username)),
        str(url.database),
        env={"PGPASSWORD": url.password or "", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    text = output.decode()
    rate, latency = re.search(r"tps = ([\d.]+)", text), re.search(r"average = ([\d.]+)", text)
    if process.returncode or not rate or not latency or "failed transactions: 0 " not in text:
        said = (errors.decode().strip() or text.strip()).splitlines()
        raise Problem(f"pgbench failed at {connections} connections: {said[-1:]}")
    return Measured(float(rate[1]), float(latency[1]))


def binary() -> Path:
    """pgbench of the server we ship, or one on the PATH. Raises Problem."""
    shipped = installed_package() / INSTALL / "bin" / "pgbench"
    found = shipped if shipped.is_file() else Path(shutil.which("pgbench") or "")
    if not found.is_file():
        raise Problem("there is no pgbench; leave the part `limit` out with --only")
    return found
