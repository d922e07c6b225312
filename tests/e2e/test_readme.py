"""Every command that a document shows is run, as it stands there but for the address, in every
shell that is here, or is understood by our own command line, or is named here with a reason."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
import yaml

from deploy.local.commands import cli, development
from tests import documents
from tests.conftest import ROOT
from tests.documents import Shown
from tests.e2e.conftest import Mesh

SHELLS = ("bash", "zsh", "sh")
# The commands that are not run here, by their beginning, and why.
RUN_ELSEWHERE = {
    "./caravel": "understood by the command line; test_up and every ring run them",
    "docker compose": "needs a container engine; the ring runs against it by CARAVEL_REST_URL",
    "docker build": "as compose does it",
    "uv pip compile": "asks the package index; its files and groups are looked for",
    "alembic": "test_migrations",
    "python": "its module is looked for",
    "buf": "./caravel check",
    "OTEL_": "test_traces, with a collector",
    "git": "about the reader's own checkout",
    "curl -X PUT $SIMULATOR_URL": "test_faults; it would have the providers misbehave for others",
}
PLACEHOLDERS = {"N": "7", "M": "5", "K": "2", "S": "4"}
# An error has a number there, a failure of a payment a word.
REFUSAL = re.compile(r'"code": ?\d')
_OTHERS = r"(curl|grpcurl) |ID=\$\(curl|KEY=\$\(\./caravel|until curl|BUILD_COMMIT="
# Steps on machines of one's own, with names that only stand for others.
ELSEWHERE = "deploy/live/README.md"
RUN = [one for one in documents.blocks() if "curl" in one.text and one.page != ELSEWHERE]


@cache
def _key(mesh: Mesh) -> Mapping[str, str]:
    """A merchant's key, by the names that the pages have for it; a mesh elsewhere has its own."""
    if mesh.data_dir is None:
        return {}
    words = ("merchants", "create", "--name", "Acme", "--data-dir", str(mesh.data_dir))
    made = subprocess.run([ROOT / "caravel", *words], capture_output=True, text=True, check=True)
    answer = json.loads(made.stdout)
    return {"KEY_ID": answer["key_id"], "API_KEY": answer["api_key"], "KEY": answer["api_key"]}


def _in_shell(shell: str, block: Shown, mesh: Mesh, path: str = "") -> str:
    commands = block.text
    for port, address in {
        8080: mesh.rest_url,
        8081: mesh.operators_url,
        9090: mesh.grpc_target,
        9091: mesh.operators_grpc_target,
    }.items():
        commands = re.sub(rf"(http://)?(127\.0\.0\.1|localhost):{port}", address, commands)
    # On the data folder of this mesh; one that runs elsewhere has its own command.
    commands = re.sub(r"\./caravel \w+ \w+", rf"\g<0> --data-dir {mesh.data_dir}", commands)
    # A key serves once; another mesh than a fresh one may have seen the page's before.
    commands = re.sub(r"idempotency-key: [\w-]+", rf"\g<0>-{os.urandom(4).hex()}", commands)
    done = subprocess.run(
        [shell, "-eu", "-c", commands],
        env={**os.environ, **_key(mesh), "PATH": f"{path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def payment(mesh: Mesh) -> None:
    """Objects that were created before, since a page is read from its beginning."""
    body = {"user_id": str(uuid4()), "amount_usd": "100.00", "destination_currency": "INR"}
    headers = {"content-type": "application/json", "idempotency-key": uuid4().hex}
    url = f"{mesh.rest_url}/api/payments"
    with urlopen(Request(url, json.dumps(body).encode(), headers)) as answer:
        assert answer.status == 201


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """A shell into which people paste; one that is not here is skipped."""
    name = str(request.param)
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def test_every_command_is_run_or_accounted_for() -> None:
    shown = [one for block in documents.blocks() for one in documents.commands(block)]
    shown += documents.sentences()
    unknown = [
        str(one)
        for one in shown
        if one.page != ELSEWHERE and not one.text.startswith(tuple(RUN_ELSEWHERE))
        if not re.match(_OTHERS, one.text)
    ]
    assert unknown == []
    assert len(shown) > 50


def test_every_block_says_that_it_is_for_a_shell() -> None:
    assert [str(one) for one in documents.unnamed_blocks() if documents.is_command(one)] == []


@pytest.mark.parametrize("block", [b for b in RUN if "grpcurl" not in b.text], ids=str)
def test_the_curl_lines_answer(mesh: Mesh, block: Shown, shell: str) -> None:
    printed = _in_shell(shell, block, mesh)

    signs = ("pay_", "quo_", "payment_created", "whsec_", "dead_letters", "key_", "access_token")
    assert any(sign in printed for sign in signs)
    assert not REFUSAL.search(printed)


@pytest.mark.parametrize("block", [b for b in RUN if "grpcurl" in b.text], ids=str)
def test_the_grpcurl_lines_answer(mesh: Mesh, grpcurl: Path, block: Shown, shell: str) -> None:
    printed = _in_shell(shell, block, mesh, path=str(grpcurl.parent))

    assert "caravel.payments.v1.PaymentService" in printed
    assert "pay_" in printed


@pytest.mark.parametrize(
    "command",
    [one for one in documents.sentences() if re.match("curl '?http", one.text)],
    ids=str,
)
def test_curl_in_a_sentence_answers(mesh: Mesh, command: Shown, shell: str) -> None:
    assert not REFUSAL.search(_in_shell(shell, command, mesh))


def _caravel_lines() -> list[Shown]:
    shown = [one for block in documents.blocks() for one in documents.commands(block)]
    return [one for one in (*shown, *documents.sentences()) if one.text.startswith("./caravel ")]


@pytest.mark.parametrize("command", _caravel_lines(), ids=str)
def test_our_own_commands_are_understood(command: Shown) -> None:
    text = re.sub(r"\[ring …\] \[-- pytest arguments\]", "unit -- -q", command.text)
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(re.sub(r"[\[\]…]", "", text))[1:]]

    parsed = cli.read(words)

    assert parsed.command in words
    if parsed.command == "test":
        assert development.folders(parsed.rings)


@pytest.mark.parametrize(
    "command",
    [one for one in (*documents.sentences(), *documents.blocks()) if "python " in one.text[:7]],
    ids=str,
)
def test_programs_that_are_named_are_there(command: Shown) -> None:
    _, first, *rest = command.text.split()

    assert importlib.util.find_spec(rest[0]) if first == "-m" else (ROOT / first).is_file()


def test_containers_that_are_scaled_can_be() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    lines = [*documents.blocks(), *documents.sentences()]
    scaled = {name for one in lines for name in re.findall(r"--scale (\w+)=", one.text)}

    assert scaled
    assert scaled <= services.keys() - {"postgres", "simulator", "gateway", "migrate"}


def test_locks_that_are_compiled_are_the_locks_that_there_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    pyproject = (ROOT / "pyproject.toml").read_text()

    assert {*re.findall(r"-o (\S+\.lock)", text)} == {
        path.relative_to(ROOT).as_posix()
        for path in (*ROOT.glob("*.lock"), *ROOT.glob("deploy/*.lock"))
    }
    assert all(f"\n{group} = [" in pyproject for group in re.findall(r"--group (\w+)", text))


def test_help_that_the_front_page_promises_needs_nothing_installed() -> None:
    done = subprocess.run(
        ["python3", "-S", ROOT / "caravel", "up", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--detach" in done.stdout
