"""Corridor files change by the command line and by a signal while payments are made: none is lost,
and those under way arrive."""

import asyncio
import os
import shutil
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import Mesh, Rest, carried_out
from tests.polling import until

SHIPPED = ROOT / "deploy" / "corridors"
RUPEES = {"amount_usd": "100.00", "destination_currency": "INR"}
AT_ONCE = 4


@pytest.fixture(autouse=True)
def _ours(mesh: Mesh) -> None:
    if mesh.data_dir is None:
        pytest.skip("needs the command line of the mesh's own folder")


async def corridors(mesh: Mesh, *words: str) -> tuple[int, str]:
    run = await carried_out(mesh, "corridors", *words)
    return run.returncode, run.stdout + run.stderr


async def lifetime(rest: Rest) -> float:
    answer = await rest.post("/api/quotes", RUPEES)
    assert answer.status == 201, answer.body
    made, ends = (
        datetime.fromisoformat(answer.json[name]) for name in ("created_at", "expires_at")
    )
    return (ends - made).total_seconds()


def folder(parent: Path, old: str, new: str) -> Path:
    """The shipped files, with other words in that of India."""
    copied = Path(shutil.copytree(SHIPPED, parent / "corridors"))
    file = copied / "us-in.toml"
    file.write_text(file.read_text().replace(old, new))
    return copied


async def test_files_change_and_change_back_without_a_lost_request(
    mesh: Mesh, rest: Rest, tmp_path: Path
) -> None:
    longer = folder(tmp_path, "lifetime_seconds = 60", "lifetime_seconds = 75")
    payments, done = list[Any](), asyncio.Event()

    async def pay() -> None:
        while not done.is_set():
            # Asserts that it is taken.
            payments.append(await rest.create())

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(pay())
        code, said = await corridors(mesh, "apply", str(longer), "--reason", "slow payers")
        assert code == 0, said
        await until(lambda: lifetime(rest), lambda seconds: seconds == 75)
        [pid] = [one["pid"] for one in mesh.status["processes"] if one["name"] == "payments"]
        os.kill(pid, signal.SIGHUP)
        await until(lambda: lifetime(rest), lambda seconds: seconds == 60)
        done.set()

    for payment in payments[:: max(1, len(payments) // 20)]:
        await rest.wait(payment["transaction_id"], {"COMPLETED"})
    code, said = await corridors(mesh, "versions")
    assert code == 0
    latest, before, *_ = said.split("\n  by ")[1:]
    assert latest.startswith("caravel: SIGHUP")
    assert before.startswith("ada: slow payers")


async def test_files_that_need_a_restart_are_refused_by_name(mesh: Mesh, tmp_path: Path) -> None:
    unopened = folder(tmp_path, 'sources = ["ecb"]', 'sources = ["frankfurter"]')

    for verb in ("check", "apply"):
        code, said = await corridors(mesh, verb, str(unopened))
        assert code == 1
        assert "CORRIDORS_REFUSED: us-in.toml: it names the rate source frankfurter" in said
