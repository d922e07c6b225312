"""The command about corridor files: the request of each verb, and the answer for a person."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import CORRIDORS
from tests.unit.local.commands.listening import Listener, listening, run

VERSION = {
    "sequence": "3",
    "version": "ab" * 32,
    "applied_by": "ada",
    "reason": "slow payers",
    "applied_at": "2026-11-29T12:00:00Z",
    "effective_at": "2026-11-29T12:00:05Z",
}
PATH = "/api/admin/corridor-versions"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening(VERSION) as kept:
        yield kept


def test_apply_sends_every_file_of_the_folder_byte_for_byte(
    listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "us-jp.toml").write_bytes(b"id = '\xc3\xa9'\r\n")
    (tmp_path / "us-in.toml").write_bytes(b"")
    (tmp_path / "notes.md").write_text("none")

    words = ["corridors", "apply", str(tmp_path), "--reason", "slow payers"]
    assert run(listener, *words) == 0

    [(method, path, _, body)] = listener.requests
    assert (method, path) == ("POST", PATH)
    assert body == {
        "files": [
            {"name": "us-in.toml", "content": ""},
            {"name": "us-jp.toml", "content": "id = 'é'\r\n"},
        ],
        "reason": "slow payers",
    }
    said = capsys.readouterr().out
    assert said.splitlines() == [
        f"3  {'ab' * 32}  from 2026-11-29T12:00:05Z",
        "  by ada: slow payers",
    ]


def test_check_applies_nothing_and_takes_the_shipped_folder_where_none_is_named(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.answer = VERSION | {"sequence": "0"}

    assert run(listener, "corridors", "check") == 0

    [(_, _, _, body)] = listener.requests
    assert body["validate_only"] is True
    assert len(body["files"]) == len(list(CORRIDORS.glob("*.toml")))
    assert "can be applied; their version is abab" in capsys.readouterr().out


def test_versions_are_listed(listener: Listener, capsys: pytest.CaptureFixture[str]) -> None:
    listener.answer = {"versions": [VERSION, VERSION | {"sequence": "2", "reason": ""}]}

    assert run(listener, "corridors", "versions") == 0

    assert listener.requests[0][:2] == ("GET", PATH)
    assert "  by ada\n" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_folder_without_readable_files_is_a_problem(
    listener: Listener,
    tmp_path: Path,
    content: bytes | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / "us-in.toml").write_bytes(content)

    assert run(listener, "corridors", "apply", str(tmp_path)) == 1

    assert not listener.requests
    assert str(tmp_path) in capsys.readouterr().err
