"""`./caravel` as a person uses it: up, status, a payment pasted from the screen, down; two meshes
at once; and one clear sentence where it cannot be. On meshes and in folders of its own."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from deploy.local.mesh import ports
from deploy.local.process.child import is_alive
from tests.e2e.conftest import PORT_FLAGS
from tests.polling import until

CARAVEL = Path(__file__).resolve().parents[2] / "caravel"
PATIENCE_SECONDS = 120
PROCESSES = {
    *("postgresql", "fees", "fx", "simulator", "providers", "payments", "worker", "console"),
    "gateway",
}
pytestmark = pytest.mark.skipif(
    "CARAVEL_REST_URL" in os.environ, reason="the ring runs against a mesh elsewhere"
)


@dataclass(frozen=True)
class Sandbox:
    """A data folder and ports of its own, and what can be done with them."""

    data_dir: Path
    rest_port: int
    grpc_port: int
    operators_port: int
    operators_grpc_port: int

    def caravel(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs ./caravel to its end, about this sandbox."""
        return subprocess.run(
            [CARAVEL, command, *words, "--data-dir", self.data_dir],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def up(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Starts it in the background."""
        return self.caravel("up", "--detach", *self.listen, *words)

    @property
    def listen(self) -> tuple[str, ...]:
        """The flags for its ports."""
        ports = (self.rest_port, self.grpc_port, self.operators_port, self.operators_grpc_port)
        pairs = zip(PORT_FLAGS, ports, strict=True)
        return tuple(word for flag, port in pairs for word in (flag, str(port)))

    @property
    def status(self) -> Any:
        """The answer of `status --json`."""
        return json.loads(self.caravel("status", "--json").stdout)

    @property
    def pids(self) -> dict[str, int]:
        """All its processes, the supervisor too."""
        status = self.status
        assert status["running"], status
        processes = {process["name"]: process["pid"] for process in status["processes"]}
        return {"supervisor": status["supervisor_pid"], **processes}


@contextmanager
def new_sandbox() -> Iterator[Sandbox]:
    """A sandbox where nothing runs yet, and nothing is left afterwards."""
    # A path with a space, and one that PostgreSQL's user can pass through.
    with (
        ports.claimed(PORT_FLAGS) as claimed,
        TemporaryDirectory(prefix="caravel e2e ") as name,
    ):
        Path(name).chmod(0o711)
        sandbox = Sandbox(Path(name) / "data", *(claimed[flag] for flag in PORT_FLAGS))
        try:
            yield sandbox
        finally:
            sandbox.caravel("down", "--delete")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of the test's own."""
    with new_sandbox() as sandbox:
        yield sandbox


@dataclass(frozen=True)
class Running:
    """A sandbox whose mesh runs, and what was said when it started."""

    sandbox: Sandbox
    greeting: str


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A mesh for tests that do not stop it."""
    with new_sandbox() as sandbox:
        up = sandbox.up()
        assert up.returncode == 0, up.stdout + up.stderr
        yield Running(sandbox, up.stdout)


def living(pids: Mapping[str, int]) -> set[str]:
    """Those of the processes that are still there."""
    return {name for name, pid in pids.items() if is_alive(pid)}


def test_status_shows_what_runs_and_where(running: Running) -> None:
    status, pids = running.sandbox.status, running.sandbox.pids

    assert status["ready"] is True
    assert pids.keys() == {"supervisor", *PROCESSES}
    assert status["urls"]["rest"] == f"http://127.0.0.1:{running.sandbox.rest_port}"
    assert living(pids) == pids.keys()


def test_pasted_curl_line_creates_a_new_payment_each_time(running: Running) -> None:
    line = re.search(r"^curl .*?\n(?=\n|\Z)", running.greeting, re.MULTILINE | re.DOTALL)
    assert line

    answers = [
        subprocess.run(line[0], shell=True, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]

    assert len({json.loads(answer)["transaction_id"] for answer in answers}) == 2


async def test_printed_keys_act_as_the_two_operators_of_a_sandbox(running: Running) -> None:
    keys = dict(re.findall(r"as (\w+) .*?-H 'x-api-key: (\w+)'", running.greeting))
    actions = f"{running.sandbox.status['urls']['operators']}/api/admin/operator-actions"
    made = []
    async with aiohttp.ClientSession() as http:
        for name, key in keys.items():
            headers = {"x-api-key": key, "idempotency-key": name}
            merchants = actions.replace("operator-actions", "merchants")
            async with http.post(merchants, json={"name": name}, headers=headers) as answer:
                made.append((name, (await answer.json())["merchant_id"]))
        async with http.get(actions) as answer:
            log = (await answer.json())["actions"]

    assert list(keys) == ["ada", "grace"]
    assert [(one["operator"], one["subject"]) for one in reversed(log)] == made


def test_second_mesh_runs_beside_the_first(running: Running, sandbox: Sandbox) -> None:
    assert sandbox.up().returncode == 0
    assert sandbox.status["ready"] is True
    assert running.sandbox.status["ready"] is True


@pytest.mark.parametrize("flags", [(), ("--fresh",)])
def test_second_up_in_one_folder_is_refused(running: Running, flags: tuple[str, ...]) -> None:
    second = running.sandbox.up(*flags)

    assert second.returncode == 1
    assert re.fullmatch(r"caravel: a mesh is running in .* already; .*\n", second.stderr)
    assert running.sandbox.status["ready"] is True


def test_port_in_use_is_one_sentence(running: Running, sandbox: Sandbox) -> None:
    port = running.sandbox.rest_port

    refused = replace(sandbox, rest_port=port).up()

    assert refused.returncode == 1
    assert refused.stdout + refused.stderr == (
        f"caravel: port {port} is in use by another program; choose another with --port\n"
    )


def test_logs_show_every_process(running: Running) -> None:
    shown = running.sandbox.caravel("logs").stdout

    assert all(f" {name:<10} │ " in shown for name in PROCESSES - {"gateway"})


def test_migrate_works_on_a_running_mesh(running: Running) -> None:
    assert re.fullmatch(
        r"The database is at revision [0-9]{4}\.\n", running.sandbox.caravel("migrate").stdout
    )


def test_doctor_finds_nothing_wrong(running: Running) -> None:
    doctor = running.sandbox.caravel("doctor")

    assert doctor.returncode == 0, doctor.stdout
    assert "All is well." in doctor.stdout


def test_down_leaves_no_process_and_fresh_no_payment(sandbox: Sandbox) -> None:
    sandbox.up()
    pids = sandbox.pids
    before = (sandbox.data_dir / "credentials.json").read_text()

    down = sandbox.caravel("down")
    assert down.stdout == "Stopped. No process is left.\n"
    assert living(pids) == set()
    assert sandbox.status["running"] is False

    sandbox.up("--fresh")
    assert sandbox.status["ready"] is True
    assert (sandbox.data_dir / "credentials.json").read_text() != before


def test_processes_that_are_killed_are_started_again(sandbox: Sandbox) -> None:
    up = [CARAVEL, "up", *sandbox.listen, "--data-dir", sandbox.data_dir]
    with subprocess.Popen(up, stdout=PIPE, stderr=STDOUT, text=True) as process:
        _wait_until_ready(process)
        before = sandbox.status
        for name, pid in sandbox.pids.items():
            if name != "supervisor":
                os.kill(pid, signal.SIGKILL)
        said = _until_all_run_again(process)
        after, shown = sandbox.status, sandbox.caravel("status").stdout
        payment = asyncio.run(_pay(sandbox))
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read() if process.stdout else ""

    assert all(f"{name} ended unexpectedly (SIGKILL)" in said for name in PROCESSES)
    assert all(f"{name} runs again (" in shown for name in PROCESSES)
    assert _ports(after) == _ports(before)
    assert payment["status"] == "COMPLETED"
    assert rest.endswith("Stopped. No process is left.\n")


def _until_all_run_again(process: subprocess.Popen[str]) -> str:
    """Reads until every process is said to run again; what was said."""
    assert process.stdout
    said, missing = "", set(PROCESSES)
    for line in process.stdout:
        said += line
        missing -= {name for name in missing if f"{name} runs again" in line}
        if not missing:
            break
    assert not missing, said
    return said


def _ports(status: Any) -> dict[str, Any]:
    return {one["name"]: (one["port"], one["metrics_port"]) for one in status["processes"]}


async def _pay(sandbox: Sandbox) -> Any:
    """A new payment, watched to its end; one key until the gateway has found payments again."""
    body = {"user_id": str(uuid4()), "amount_usd": "100.00", "destination_currency": "INR"}
    key = {"idempotency-key": uuid4().hex}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{sandbox.rest_port}") as session:

        async def look() -> Any:
            async with session.post("/api/payments", json=body, headers=key) as created:
                answer = await created.json()
            path = f"/api/payments/{answer.get('transaction_id')}"
            async with session.get(path) as found:
                return await found.json()

        return await until(look, lambda payment: payment.get("status") == "COMPLETED")


def test_down_during_a_back_off_leaves_no_process(sandbox: Sandbox) -> None:
    sandbox.up()
    pids = sandbox.pids
    os.kill(pids["fees"], signal.SIGKILL)

    assert sandbox.caravel("down").stdout == "Stopped. No process is left.\n"
    assert living(pids) == set()


def test_ctrl_c_stops_everything(sandbox: Sandbox) -> None:
    up = [CARAVEL, "up", *sandbox.listen, "--data-dir", sandbox.data_dir]
    with subprocess.Popen(up, stdout=PIPE, stderr=STDOUT, text=True) as process:
        _wait_until_ready(process)
        pids = sandbox.pids
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read() if process.stdout else ""

    assert process.returncode == 0
    assert rest.endswith("Stopped. No process is left.\n")
    assert living(pids) == set()


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    # The last line of the example, which is the last thing said.
    assert any("destination_currency" in line for line in process.stdout)


def test_killed_supervisor_takes_everything_along(sandbox: Sandbox) -> None:
    sandbox.up()
    pids = sandbox.pids

    os.kill(pids["supervisor"], signal.SIGKILL)
    again = sandbox.up()

    assert again.returncode == 0, again.stdout + again.stderr
    assert living(pids) == set()
