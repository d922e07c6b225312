"""How long a revoked key still serves: three replicas of payments under load, and callers with the
key at all of them at once, from the answer to the revocation to the last call that was taken."""

import asyncio
import json
import math
import sys
import time
from typing import Any

import aiohttp

from deploy import ROOT
from deploy.local.mesh.processes import environment
from deploy.local.process.terminal import Problem
from tests.benchmarks import load, requests
from tests.benchmarks.bench import Bench, Figures, as_line

DATABASE = "revocation"
REPLICAS = 3
# Clients with the revoked key; the gateway spreads their calls over the replicas.
CALLERS = 6
# Calls of each that follow the first refusal: more than enough to meet every replica.
CALLS_AFTER = 20
REVOCATIONS, SMOKE_REVOCATIONS = 50, 2
LOAD_CONNECTIONS = 16
LIST = "/api/payments?page_size=1"


class Revocation:
    """Keys are made and revoked one after the other while payments are created."""

    rounds = None

    async def prepare(self, bench: Bench) -> None:
        """A database."""
        await bench.server.make(DATABASE)

    async def measure(self, bench: Bench) -> Figures:
        """The seconds of each revocation."""
        await bench.mesh.use(DATABASE, payments=REPLICAS)
        owner = await make_merchant(bench, DATABASE)
        count = SMOKE_REVOCATIONS if bench.options.is_smoke else REVOCATIONS
        base = f"http://{bench.mesh.rest.host}:{bench.mesh.rest.port}"
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(base, connector=connector) as http:
            busy = asyncio.create_task(_create_payments(bench))
            try:
                seconds = sorted([await _revoke_one(http, owner) for _ in range(count)])
            finally:
                busy.cancel()
                await asyncio.gather(busy, return_exceptions=True)
        figures = {
            "revocation_p50_seconds": seconds[len(seconds) // 2],
            "revocation_p99_seconds": seconds[math.ceil(0.99 * len(seconds)) - 1],
        }
        bench.say(f"    {as_line(figures)}")
        return figures


async def make_merchant(bench: Bench, database: str) -> str:
    """The key of a new merchant in a database. Raises Problem."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "services.payments.admin"),
        *("merchants", "create", "--name", "Benchmark"),
        cwd=ROOT,
        env=environment({"DATABASE_URL": bench.server.database(database).application_url}),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise Problem("the merchant was not made")
    return str(json.loads(output)["api_key"])


async def _create_payments(bench: Bench) -> None:
    await load.closed_loop(
        bench.mesh.rest,
        requests.creating(bench.mesh.rest, requests.new_tag()),
        connections=LOAD_CONNECTIONS,
        warm_seconds=0,
        seconds=load.MOST_SECONDS,
    )


async def _revoke_one(http: aiohttp.ClientSession, owner: str) -> float:
    """The seconds from the answer to a revocation until the last call with the key was sent that
    was still taken; 0 where none was."""
    body = {"name": "benchmark", "scopes": ["payments:read"]}
    made = await _ask(http, "POST", "/api/keys", owner, 201, json=body)
    key, key_id = made["api_key"], made["key"]["key_id"]
    taken_at: list[float] = []
    callers = [asyncio.create_task(_call(http, key, taken_at)) for _ in range(CALLERS)]
    while len(taken_at) < CALLERS * REPLICAS:
        await asyncio.sleep(0)
        if any(caller.done() for caller in callers):
            raise Problem("a new key was refused")
    await _ask(http, "POST", f"/api/keys/{key_id}:revoke", owner, 200, json={})
    revoked_at = time.monotonic()
    await asyncio.gather(*callers)
    return max(0.0, max(taken_at) - revoked_at)


async def _call(http: aiohttp.ClientSession, key: str, taken_at: list[float]) -> None:
    """Calls until the key has been refused so many times in a row, and notes when each call was
    sent that was taken."""
    refused = 0
    while refused < CALLS_AFTER:
        sent_at = time.monotonic()
        async with http.get(LIST, headers={"x-api-key": key}) as answer:
            await answer.read()
        if answer.status == 200:
            taken_at.append(sent_at)
        refused = refused + 1 if answer.status == 401 else 0


async def _ask(
    http: aiohttp.ClientSession, method: str, path: str, key: str, status: int, **body: Any
) -> Any:
    headers = {"authorization": f"Bearer {key}"}
    async with http.request(method, path, headers=headers, **body) as answer:
        if answer.status != status:
            raise Problem(f"{method} {path} was answered {answer.status}")
        return await answer.json()
