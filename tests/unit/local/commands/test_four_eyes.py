"""The commands of two operators: the request of each, and the answer for a person."""

from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.commands import cli
from services.shared.well_known import SANDBOX_OPERATORS
from tests.unit.local.commands.listening import Listener, listening, run

PROPOSAL = {
    "proposal_id": "prp_1",
    "state": "PROPOSED",
    "failure": "",
    "verb": "RATE_OVERRIDE",
    "proposed_by": "ada",
    "decided_by": "",
    "expires_at": "2026-11-30T12:00:00Z",
    "payload": '{"verb":"RATE_OVERRIDE"}',
    "payload_sha256": "ab" * 32,
}
REFUSAL = {
    "code": 7,
    "message": "The one who has proposed it cannot decide about it.",
    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "APPROVER_IS"}],
}


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening(PROPOSAL) as kept:
        yield kept


def test_an_override_is_proposed_for_some_hours(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["propose", "override", "us-ng", "--rate", "1540.5", "--reason", "thin market"]

    assert run(listener, *words, "--as", "ada") == 0

    [(method, path, who, body)] = listener.requests
    assert (method, path) == ("POST", "/api/admin/proposals")
    assert who == f"Bearer {SANDBOX_OPERATORS['ada']}"
    order = body["rate_override"]
    assert (body["reason"], order["corridor_id"], order["rate"]) == (
        "thin market",
        "us-ng",
        "1540.5",
    )
    assert "markup_basis_points" not in order
    assert "prp_1  PROPOSED  RATE_OVERRIDE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["override", "us-ng", "--margin", "0"], {"markup_basis_points": 0}),
        (["release", "pay_1", "--honour-locked-rate"], {"honour_locked_rate": True}),
        (["force", "pay_1", "--provider", "paystack"], {"provider": "paystack"}),
        (["refund", "pay_1", "--full"], {"full": True, "amount_usd": ""}),
        (
            ["resolve", "pay_1", "--outcome", "FAILED", "--evidence", "line 12"],
            {"outcome": "FAILED", "evidence": "line 12", "provider_unreachable": False},
        ),
    ],
)
def test_each_verb_has_its_own_words(
    words: list[str], expected: dict[str, Any], listener: Listener
) -> None:
    assert run(listener, "propose", *words, "--reason", "seen") == 0

    [(_, _, who, body)] = listener.requests
    [order] = [part for name, part in body.items() if name != "reason"]
    assert who == ""
    assert expected.items() <= order.items()


def test_the_acceptance_of_the_database_is_proposed_for_nothing_else(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(listener, "propose", "accept", "database", "--reason", "seen") == 0
    assert run(listener, "propose", "accept", "pay_1", "--reason", "seen") == 1

    [(_, _, _, body)] = listener.requests
    assert body == {"reason": "seen", "accept_database": {}}
    assert "accept takes the database and nothing else" in capsys.readouterr().err


def test_an_approval_names_what_was_shown(listener: Listener) -> None:
    assert run(listener, "approve", "prp_1", "--as", "grace", "--yes") == 0

    shown, approved = listener.requests
    assert shown[:2] == ("GET", "/api/admin/proposals/prp_1")
    assert approved[:2] == ("POST", "/api/admin/proposals/prp_1:approve")
    assert approved[3] == {"payload_sha256": "ab" * 32}


def test_nobody_approves_without_being_asked(
    listener: Listener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)

    assert run(listener, "approve", "prp_1") == 1

    assert [method for method, *_ in listener.requests] == ["GET"]
    assert "say --yes" in capsys.readouterr().err


def test_only_the_payload_that_is_named_is_approved(listener: Listener) -> None:
    assert run(listener, "approve", "prp_1", "--sha256", "cd" * 32) == 0

    assert listener.requests[-1][3] == {"payload_sha256": "cd" * 32}


@pytest.mark.parametrize("verb", ["refuse", "withdraw"])
def test_a_decision_has_its_note(verb: str, listener: Listener) -> None:
    assert run(listener, verb, "prp_1", "--note", "not now") == 0

    [(_, path, _, body)] = listener.requests
    assert (path, body) == (f"/api/admin/proposals/prp_1:{verb}", {"note": "not now"})


def test_an_id_is_one_part_of_the_path(listener: Listener) -> None:
    assert run(listener, "withdraw", "../keys?x=1") == 0

    assert listener.requests[0][1] == "/api/admin/proposals/..%2Fkeys%3Fx%3D1:withdraw"


def test_the_key_of_an_operator_comes_from_its_variable(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARAVEL_OPERATOR_KEY", "cvo_live_1")
    listener.answer = {"proposals": []}

    assert run(listener, "proposals") == 0

    assert listener.requests[0][1:3] == ("/api/admin/proposals?state=PROPOSED", "Bearer cvo_live_1")


def test_overrides_are_listed_and_ended(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    override = {
        "override_id": "ovr_1",
        "corridor_id": "us-ng",
        "rate": "",
        "markup_basis_points": 25,
        "starts_at": "2026-11-29T12:00:00Z",
        "ends_at": "2026-11-29T14:00:00Z",
        "in_force": True,
        "proposed_by": "ada",
        "approved_by": "grace",
        "reason": "thin market",
    }
    listener.answer = {"overrides": [override]}
    assert run(listener, "overrides") == 0
    shown = capsys.readouterr().out
    assert "ovr_1  us-ng  a margin of 25 basis points, in force" in shown
    listener.answer = {**override, "in_force": False, "ended_at": "2026-11-29T13:00:00Z"}

    assert run(listener, "end-override", "ovr_1", "--note", "calm") == 0

    assert listener.requests[-1][1] == "/api/admin/rate-overrides/ovr_1:end"
    assert "not in force" in capsys.readouterr().out


def test_a_refusal_is_said_with_its_reason(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.status, listener.answer = 403, REFUSAL

    assert run(listener, "refuse", "prp_1") == 1

    said = capsys.readouterr().err
    assert "APPROVER_IS: The one who has proposed it cannot decide about it" in said


def test_without_a_mesh_the_command_says_so(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["proposals", "--data-dir", str(tmp_path)])

    assert "no mesh runs here" in capsys.readouterr().err


def test_an_unknown_name_is_refused(listener: Listener, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(listener, "proposals", "--as", "eve") == 1

    assert listener.requests == []
    assert "no built-in operator is eve; there are: ada, grace" in capsys.readouterr().err
