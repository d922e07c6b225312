"""The tables of the command line say what the operators' calls answer, and what is not known."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.local.commands import cli, figures
from deploy.local.mesh import state
from deploy.local.mesh.state import DataDir

EXPOSURE = {
    "positions": [
        {
            "currency": "NGN",
            "position": "-148453.38",
            "worth_usd": "-97.01",
            "rate_trail": {"mid_rate": "1530.25"},
            "maximum_owed": "100000.00",
            "limit_reached": True,
        },
        {"currency": "XOF", "position": "-5"},
    ],
    "currencies_without_rate": ["XOF"],
}


class Gateway:
    """Answers every request with what a test says, and keeps the last one's path and key."""

    def __init__(self) -> None:
        self.status, self.answer = 200, b"{}"
        self.path, self.key = "", ""
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gateway.path = self.path
                gateway.key = self.headers.get("authorization", "")
                self.send_response(gateway.status)
                self.end_headers()
                self.wfile.write(gateway.answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing on the terminal."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def say(self, answer: object, status: int = 200) -> None:
        """The next answers."""
        self.status, self.answer = status, json.dumps(answer).encode()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """The gateway of a mesh whose data are in tmp_path."""
    gateway = Gateway()
    thread = threading.Thread(target=gateway.server.serve_forever)
    thread.start()
    data_dir = DataDir.at(tmp_path)
    data_dir.make()
    with state.locked(data_dir):
        urls = {"operators": f"http://127.0.0.1:{gateway.server.server_port}"}
        state.write(data_dir.state, state.begin(urls))
        yield gateway
    gateway.server.shutdown()
    thread.join()
    gateway.server.server_close()


def _run(*words: str) -> object:
    with pytest.raises(SystemExit) as exit_:
        cli.main(words)
    return exit_.value.code


def test_positions_are_a_table_and_unknown_worths_are_named(
    gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.say(EXPOSURE)

    assert _run("exposure", "--data-dir", str(tmp_path)) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["NGN", "-148453.38", "-97.01", "1530.25", "100000.00", "reached"]
    assert lines[2] == ["XOF", "-5", "unknown", "-", "-"]
    assert lines[-2][-1] == "unknown"
    assert lines[-1][-1] == "XOF"
    assert gateway.path == "/api/admin/exposure"


def test_corridors_are_a_table_and_a_missed_target_is_marked(
    gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    met = {"percent": "75.00", "target_percent": "75", "target_met": True}
    missed = {"percent": "99.00", "target_percent": "100", "target_met": False}
    nothing = {"percent": "", "target_percent": "100"}
    shares = {
        "within_one_hour": met,
        "within_one_business_day": missed,
        "disclosed_before_payment": nothing,
    }
    cost = {"cost_percent": "1.7439", "target_percent": "3", "target_met": True}
    boards = [
        {"corridor_id": "us-in", "payments": "40", "cost": cost, **shares},
        {"corridor_id": "us-ng", "cost_unknown_reason": "FX_RATE_UNAVAILABLE", **shares},
    ]
    gateway.say({"scoreboards": boards})

    assert _run("scoreboard", "--data-dir", str(tmp_path)) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["us-in", "40", "1.7439", "%", "75.00", "%", "99.00", "%*", "-"]
    assert lines[2][:3] == ["us-ng", "0", "FX_RATE_UNAVAILABLE"]
    assert gateway.path == "/api/admin/scoreboards"


def test_the_answer_itself_is_shown_to_programs(
    gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.say(EXPOSURE)

    assert _run("exposure", "--json", "--data-dir", str(tmp_path)) == 0

    assert json.loads(capsys.readouterr().out) == EXPOSURE


def test_a_key_is_sent_and_a_refusal_is_said(
    gateway: Gateway,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(figures.KEY_VARIABLE, "cvo_1")
    gateway.say({"message": "Who calls?", "details": [{"reason": "CREDENTIALS_INVALID"}]}, 401)

    assert _run("exposure", "--data-dir", str(tmp_path)) == 1

    said = capsys.readouterr().err
    assert "CREDENTIALS_INVALID: Who calls?" in said
    assert figures.KEY_VARIABLE in said
    assert gateway.key == "Bearer cvo_1"


def test_without_a_mesh_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("exposure", "--data-dir", str(tmp_path)) == 1

    assert "no mesh is running" in capsys.readouterr().err
