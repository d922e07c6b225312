"""Replays on the command line: each goes on until nothing is left, by one time."""

from typing import Any

import pytest

from deploy.local.commands import cli, replaying

Made = list[tuple[str, Any]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """The calls that were made; the first two of each path say that more are left."""
    calls: Made = []

    def call(_: Any, method: str, path: str, body: Any) -> Any:
        assert method == "POST"
        calls.append((path, dict(body)))
        more = len(calls) < 3
        return {
            "events": 5,
            "has_more": more,
            "dead_letter_ids": ["outbox_1"],
            "refused": [] if more else [{"dead_letter_id": "step_1", "reason": "PAYMENT_BUSY"}],
            "next_page_token": f"after {len(calls)}" if more else "",
        }

    monkeypatch.setattr(replaying, "call", call)
    return calls


def _run(*words: str) -> int:
    parsed = cli.read(words)
    code: int = parsed.run(parsed)
    return code


def test_an_endpoint_is_replayed_by_one_time_until_nothing_is_left(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    since = "2026-11-29T18:30:00Z"

    assert _run("replay", "endpoint", "whe_1", "--since", since, "--note", "lost") == 0

    [(path, first), *others] = made
    assert path == "/api/admin/webhook-endpoints/whe_1:replay"
    assert (first["tried_since"], first["note"]) == (since, "lost")
    assert others == [(path, first), (path, first)]
    assert "15 sent again." in capsys.readouterr().out


def test_a_delivery_is_replayed_without_a_time_of_its_own(made: Made) -> None:
    assert _run("replay", "delivery", "outbox_1") == 0

    assert {path for path, _ in made} == {"/api/admin/deliveries/outbox_1:replay"}
    assert set(made[0][1]) == {"tried_before", "note"}


@pytest.mark.parametrize(
    "words", [["endpoint", "whe_1"], ["delivery", "outbox_1", "--since", "2026-11-29T18:30:00Z"]]
)
def test_the_time_is_of_an_endpoint_alone(words: list[str], made: Made) -> None:
    with pytest.raises(replaying.Problem):
        _run("replay", *words)
    assert not made


def test_dead_letters_are_requeued_page_by_page_and_refusals_are_shown(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("requeue", "--endpoint", "whe_1") == 1

    assert [body.get("page_token") for _, body in made] == [None, "after 1", "after 2"]
    assert {body["endpoint_id"] for _, body in made} == {"whe_1"}
    said = capsys.readouterr().out
    assert "step_1  PAYMENT_BUSY" in said
    assert "3 requeued, 1 refused." in said
