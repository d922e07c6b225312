"""The words of a pause: its target, and the operator who acts, are two."""

from typing import Any

import pytest

from deploy.local.commands import cli, pausing

ANSWER = {
    "pause_id": "pau_1",
    "kind": "CORRIDOR",
    "name": "us-ng",
    "under_way": "FINISH",
    "in_force": True,
    "starts_at": "2026-11-29T20:00:00Z",
    "paused_by": "grace",
    "reason": "shut",
    "ended_by": "",
}


def test_the_target_is_not_the_operator_who_acts() -> None:
    words = cli.read(["pause", "corridor", "us-ng", "--reason", "shut", "--as", "grace"])

    assert (words.kind, words.target, words.name) == ("corridor", "us-ng", "grace")


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (
            ["pause", "corridor", "us-ng"],
            "/api/admin/corridors/us-ng:pause",
            {"reason": "shut", "under_way": "FINISH"},
        ),
        (["pause", "provider", "a/b"], "/api/admin/providers/a%2Fb:pause", None),
        (["resume", "provider", "wise"], "/api/admin/providers/wise:resume", {"reason": "shut"}),
    ],
)
def test_a_command_is_one_call(
    words: list[str], path: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, str, Any]] = []

    def call(_: Any, method: str, path: str, body: Any = None) -> Any:
        made.append((method, path, body))
        return {**ANSWER, "pauses": [ANSWER]}

    monkeypatch.setattr(pausing, "call", call)
    parsed = cli.read([*words, "--reason", "shut"])

    assert parsed.run(parsed) == 0

    ((method, asked, given),) = made
    assert (method, asked) == ("POST", path)
    assert body is None or given == body


def test_a_wait_names_its_end() -> None:
    words = cli.read(["pause", "provider", "wise", "--reason", "x", "--wait", "--hours", "2"])

    assert (words.wait, words.hours) == (True, 2.0)


PREVIEW = {
    "needs_second_person": True,
    "under_way": [
        {
            "state": "PAYING_OUT",
            "step": "payout",
            "provider": "wise",
            "sent": False,
            "waits": True,
            "payments": "7",
        }
    ],
    "waiting_now": "0",
    "is_partial": True,
}


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_preview_says_what_becomes_of_the_payments_there(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(pausing, "call", lambda *given: made.append(given[1:]) or PREVIEW)
    parsed = cli.read([verb, "provider", "wise", "--reason", "outage", "--preview"])

    assert parsed.run(parsed) == 0

    [(method, path, body)] = made
    assert (method, path) == ("POST", "/api/admin/previews")
    assert body[f"{verb}_provider"].items() >= {"provider": "wise", "reason": "outage"}.items()
    said = capsys.readouterr().out
    assert "7 PAYING_OUT, payout by wise, never sent: they wait" in said
    assert "propose it" in said
