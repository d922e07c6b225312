"""Every command of the front page is run, as it stands there but for the address, or is named here
with the test that runs it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import Mesh

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
RUN_ELSEWHERE = {
    "./caravel up": "the fixture of this ring, and test_up",
    "./caravel test": "whoever runs this test",
    "docker compose up --build --scale payments=2 --scale worker=2 --scale providers=2": (
        "needs a container engine; the ring runs against it by CARAVEL_REST_URL"
    ),
}


def _run(block: str, mesh: Mesh, path: str = "") -> str:
    commands = block.replace("http://127.0.0.1:8080", mesh.rest_url)
    commands = commands.replace("127.0.0.1:9090", mesh.grpc_target)
    # A key serves once; another mesh than a fresh one may have seen the page's before.
    commands = re.sub(r"my-(first|second)-payment", rf"\g<0>-{os.urandom(4).hex()}", commands)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_block_is_run_or_accounted_for() -> None:
    tools = {block.split()[0] for block in BLOCKS if block.strip() not in RUN_ELSEWHERE}

    assert {"./caravel up", "./caravel test"} <= {block.strip() for block in BLOCKS}
    assert {tool.split("=")[0] for tool in tools} == {"curl", "ID", "grpcurl"}


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.startswith(("curl", "ID="))])
def test_the_curl_lines_answer(mesh: Mesh, block: str) -> None:
    printed = _run(block, mesh)

    assert any(sign in printed for sign in ("pay_", "payment_created", "whsec_"))
    assert '"code"' not in printed


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.startswith("grpcurl")])
def test_the_grpcurl_lines_answer(mesh: Mesh, grpcurl: Path, block: str) -> None:
    printed = _run(block, mesh, path=str(grpcurl.parent))

    assert "caravel.payments.v1.PaymentService" in printed
    assert "pay_" in printed
