"""The words of dead letters: a list that goes on, and two verbs."""

from typing import Any

import pytest

from deploy.local.commands import cli, dead_letters

ORPHAN = {
    "dead_letter_id": "orphan_1",
    "kind": "ORPHAN",
    "reason": "payment_unknown",
    "transaction_id": "",
    "event": "payout: SUCCEEDED 5.00 EUR",
    "provider_event": {
        "provider": "wise",
        "event_id": "evt_1",
        "key": "",
        "provider_reference": "tr_7",
        "payload_sha256": "ab" * 32,
    },
    "last_error": "",
    "attempts": 0,
    "requeue_refusal": "DEAD_LETTER_UNMATCHED",
}
STEP = {
    **ORPHAN,
    "dead_letter_id": "step_2",
    "transaction_id": "pay_2",
    "event": "",
    "provider_event": None,
    "requeue_refusal": "",
    "last_error": "ValueError at x.py:1",
    "attempts": 5,
}


def _answering(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> list[tuple[str, str, Any]]:
    made: list[tuple[str, str, Any]] = []
    left = iter(answers)

    def call(_: Any, method: str, path: str, body: Any = None) -> Any:
        made.append((method, path, body))
        return next(left)

    monkeypatch.setattr(dead_letters, "call", call)
    return made


def _run(*words: str) -> int:
    parsed = cli.read(list(words))
    return int(parsed.run(parsed))


def test_each_page_is_listed_with_the_facts_of_each_event(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _answering(
        monkeypatch,
        {"dead_letters": [ORPHAN], "next_page_token": "a/b"},
        {"dead_letters": [STEP], "next_page_token": ""},
    )

    assert _run("dead-letters", "--kind", "orphan") == 0

    path = "/api/admin/dead-letters?kind=ORPHAN"
    assert made == [("GET", path, None), ("GET", f"{path}&page_token=a%2Fb", None)]
    assert capsys.readouterr().out.splitlines() == [
        "orphan_1  ORPHAN  payment_unknown  names no payment",
        "  payout: SUCCEEDED 5.00 EUR",
        "  wise evt_1, tr_7, key none",
        f"  SHA-256 of its bytes {'ab' * 32}",
        "  cannot be requeued: DEAD_LETTER_UNMATCHED",
        "step_2  ORPHAN  payment_unknown  pay_2",
        "  after 5 tries: ValueError at x.py:1",
    ]


def test_an_empty_list_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _answering(monkeypatch, {"dead_letters": [], "next_page_token": ""})

    assert _run("dead-letters") == 0

    assert made == [("GET", "/api/admin/dead-letters", None)]
    assert capsys.readouterr().out == "Nothing is set aside.\n"


@pytest.mark.parametrize("verb", ["requeue", "discard"])
def test_a_verb_is_one_call_with_its_reason(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _answering(monkeypatch, {})

    assert _run("dead-letter", verb, "orphan_1", "--note", "asked wise", "--as", "grace") == 0

    path = f"/api/admin/dead-letters/orphan_1:{verb}"
    assert made == [("POST", path, {"note": "asked wise"})]
