"""`./caravel exposure` and `scoreboard`: what the operators' calls of a running mesh answer, as a
table or as JSON."""

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deploy.local.mesh import state
from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import Problem, command, say, table

# The operator's key, where the mesh is no sandbox.
KEY_VARIABLE = "CARAVEL_OPERATOR_KEY"
CALL_SECONDS = 30.0


def add_to(add: Callable[..., argparse.ArgumentParser], data: argparse.ArgumentParser) -> None:
    """Adds the commands; `add` takes a name, what runs it, its help and its parents."""
    for name, run, summary in (
        ("exposure", exposure, "show the exchange positions"),
        ("scoreboard", scoreboard, "measure corridors by their targets"),
    ):
        parser = add(name, _by_words(run), summary, data)
        parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def _by_words(run: Callable[..., int]) -> Callable[[argparse.Namespace], int]:
    return lambda words: run(DataDir.at(words.data_dir), as_json=words.json)


def exposure(data_dir: DataDir, *, as_json: bool) -> int:
    """Shows the exchange positions. Raises Problem."""
    answer = _ask(data_dir, "/api/admin/exposure")
    if as_json:
        say(json.dumps(answer, indent=2))
        return 0
    rows = [
        (
            one["currency"],
            one["position"],
            _known(one, "worth_usd"),
            one.get("rate_trail", {}).get("mid_rate", "-"),
            one.get("maximum_owed") or "-",
            "reached" if one.get("limit_reached") else "",
        )
        for one in answer.get("positions", ())
    ]
    table(("currency", "position", "worth", "middle", "most owed", ""), rows)
    say(f"\nUnrealised result in dollars, as the worths: {_known(answer, 'unrealised_result_usd')}")
    if unknown := answer.get("currencies_without_rate"):
        say(f"Without a rate, so without a worth: {', '.join(unknown)}")
    return 0


def _known(answer: Mapping[str, Any], name: str) -> str:
    return answer.get(name) or "unknown"


def scoreboard(data_dir: DataDir, *, as_json: bool) -> int:
    """Shows each corridor against its targets, by the payments of all merchants. Raises
    Problem."""
    boards = _ask(data_dir, "/api/admin/scoreboards").get("scoreboards", ())
    if as_json:
        say(json.dumps(boards, indent=2))
        return 0
    heads = ("corridor", "payments", "cost of 200", "in an hour", "in a business day", "disclosed")
    table(heads, [_measured(board) for board in boards])
    say("\nTargets: 3 % at the most; 75 %, 100 % and 100 % at the least. * misses its target.")
    return 0


def _measured(board: Mapping[str, Any]) -> Sequence[str]:
    shares = ("within_one_hour", "within_one_business_day", "disclosed_before_payment")
    return (
        board["corridor_id"],
        str(board.get("payments", 0)),
        _percent(board["cost"], "cost_percent")
        if "cost" in board
        else board.get("cost_unknown_reason", "-"),
        *(_percent(board[name], "percent") for name in shares),
    )


def _percent(measured: Mapping[str, Any], name: str) -> str:
    text = measured.get(name)
    return f"{text} %{' ' if measured.get('target_met') else '*'}" if text else "-"


def _ask(data_dir: DataDir, path: str) -> Any:
    """The answer of an operators' call. Raises Problem."""
    mesh = state.running(data_dir)
    if mesh is None:
        raise Problem(f"no mesh is running; `{command('up')}` starts one")
    key = os.environ.get(KEY_VARIABLE)
    request = urllib.request.Request(  # noqa: S310 - an address of this machine
        f"{mesh.urls['operators']}{path}",
        headers={"authorization": f"Bearer {key}"} if key else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        hint = f"; {KEY_VARIABLE} holds the operator's key" if error.code in (401, 403) else ""
        raise Problem(f"{_said(error)}{hint}") from None
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        raise Problem(f"the gateway does not answer: {error}") from None


def _said(error: urllib.error.HTTPError) -> str:
    try:
        refusal = json.load(error)
        return f"{refusal['details'][0]['reason']}: {refusal['message']}"
    except (ValueError, LookupError, TypeError):
        return f"the gateway answered {error.code}"
