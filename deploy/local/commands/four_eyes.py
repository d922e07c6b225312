"""`propose`, `proposals`, `approve`, `refuse`, `withdraw`, `overrides` and `end-override`: verbs
that two operators agree on, at the operators' listener of a mesh. Needs nothing installed."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from deploy.local.mesh import state
from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import Problem, command, say
from services.shared.well_known import SANDBOX_OPERATORS

KEY_VARIABLE = "CARAVEL_OPERATOR_KEY"
CALL_SECONDS = 30
PROPOSALS, OVERRIDES = "/api/admin/proposals", "/api/admin/rate-overrides"
Words = argparse.Namespace
Add = Callable[..., argparse.ArgumentParser]


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the commands; `add` takes a name, what runs it, its help and its parents."""
    who = _who()
    _add_propose(
        add("propose", _propose, "propose a verb that another operator approves", data, who)
    )
    listed = add("proposals", _proposals, "list the proposals that wait, or all", data, who)
    listed.add_argument("--all", action="store_true", help="the decided ones too")
    approve = add("approve", _approve, "approve another operator's proposal: it is done", data, who)
    approve.add_argument("proposal_id")
    approve.add_argument("--sha256", help="only where the payload is this one")
    approve.add_argument("--yes", action="store_true", help="without asking first")
    for name, run, summary in (
        ("refuse", _refuse, "refuse another operator's proposal"),
        ("withdraw", _withdraw, "withdraw a proposal of yours"),
    ):
        decided = add(name, run, summary, data, who)
        decided.add_argument("proposal_id")
        decided.add_argument("--note", default="", help="the reason, for the log of actions")
    add("overrides", _overrides, "list the overrides of rates", data, who)
    end = add("end-override", _end_override, "end an override before its time", data, who)
    end.add_argument("override_id")
    end.add_argument("--note", default="", help="the reason, for the log of actions")


def _who() -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    names = ", ".join(SANDBOX_OPERATORS)
    parent.add_argument("--as", dest="name", help=f"a sandbox's built-in operator: {names}")
    parent.add_argument("--url", help="the operators' listener (default: that of the running mesh)")
    return parent


def _add_propose(propose: argparse.ArgumentParser) -> None:
    propose.add_argument("verb", choices=["override", "release", "resolve"])
    propose.add_argument("target", help="id of the corridor, or of the payment")
    propose.add_argument("--reason", required=True, help="for the one who approves, and the log")
    override = propose.add_argument_group("of override")
    override.add_argument("--rate", help="the middle in the place of the market's, as 1540.5")
    override.add_argument("--margin", type=int, help="our margin in its place, in basis points")
    override.add_argument("--hours", type=float, default=2.0, help="for how long (2)")
    release = propose.add_argument_group("of release")
    release.add_argument("--honour-locked-rate", action="store_true", help="of late funds")
    resolve = propose.add_argument_group("of resolve")
    resolve.add_argument("--outcome", choices=["SUCCEEDED", "FAILED"])
    resolve.add_argument("--evidence", default="", help="as 'statement of 2026-11-26, line 12'")
    resolve.add_argument("--provider-unreachable", action="store_true", help="it is known to be")


def _propose(words: Words) -> int:
    _show(_call(words, "POST", PROPOSALS, {"reason": words.reason, **_verb(words)}))
    return 0


def _verb(words: Words) -> Mapping[str, Any]:
    if words.verb == "release":
        order = {"transaction_id": words.target, "honour_locked_rate": words.honour_locked_rate}
        return {"release_hold": order}
    if words.verb == "resolve":
        order = {
            "transaction_id": words.target,
            "outcome": words.outcome or "OUTCOME_UNSPECIFIED",
            "evidence": words.evidence,
            "provider_unreachable": words.provider_unreachable,
        }
        return {"resolve_attempt": order}
    ends_at = datetime.now(UTC) + timedelta(hours=words.hours)
    order = {"corridor_id": words.target, "ends_at": f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"}
    order |= {"rate": words.rate} if words.rate is not None else {}
    order |= {"markup_basis_points": words.margin} if words.margin is not None else {}
    return {"rate_override": order}


def _proposals(words: Words) -> int:
    query = "" if words.all else "?state=PROPOSED"
    found = _call(words, "GET", f"{PROPOSALS}{query}")["proposals"]
    for proposal in found:
        _show(proposal)
    if not found:
        say("Nothing waits." if not words.all else "There is none.")
    return 0


def _approve(words: Words) -> int:
    path = _path(PROPOSALS, words.proposal_id)
    proposal = _call(words, "GET", path)
    _show(proposal)
    sha256 = words.sha256 or proposal["payload_sha256"]
    if not words.yes and not words.sha256:
        _confirm("Approve it? It is done at once. [y/N] ")
    _show(_call(words, "POST", f"{path}:approve", {"payload_sha256": sha256}))
    return 0


def _confirm(question: str) -> None:
    """Raises Problem unless a person at a terminal says yes."""
    if not sys.stdin.isatty():
        raise Problem("nobody can be asked here: say --yes, or --sha256 with what was read")
    sys.stdout.write(question)
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Problem("not approved")


def _refuse(words: Words) -> int:
    return _decide(words, "refuse")


def _withdraw(words: Words) -> int:
    return _decide(words, "withdraw")


def _decide(words: Words, verb: str) -> int:
    path = f"{_path(PROPOSALS, words.proposal_id)}:{verb}"
    _show(_call(words, "POST", path, {"note": words.note}))
    return 0


def _overrides(words: Words) -> int:
    found = _call(words, "GET", OVERRIDES)["overrides"]
    for override in found:
        _show_override(override)
    if not found:
        say("There is none.")
    return 0


def _end_override(words: Words) -> int:
    path = f"{_path(OVERRIDES, words.override_id)}:end"
    _show_override(_call(words, "POST", path, {"note": words.note}))
    return 0


def _path(collection: str, text: str) -> str:
    return f"{collection}/{quote(text, safe='')}"


def _call(words: Words, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The answer. Raises Problem with the reason of a refusal."""
    headers = {"accept": "application/json", **_credential(words)}
    data = None
    if body is not None:
        headers["content-type"] = "application/json"
        data = json.dumps(body).encode()
    url = f"{_url(words)}{path}"
    request = Request(url, data=data, headers=headers, method=method)  # noqa: S310
    try:
        with urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read())
    except HTTPError as refusal:
        raise Problem(_refusal(refusal)) from None
    except (URLError, OSError, ValueError) as error:
        raise Problem(f"{url} does not answer: {getattr(error, 'reason', error)}") from None


def _refusal(refusal: HTTPError) -> str:
    try:
        error = json.loads(refusal.read())
        reasons = [detail["reason"] for detail in error["details"] if "reason" in detail]
        return f"{reasons[0]}: {error['message'].rstrip('.')}"
    except (ValueError, KeyError, TypeError, IndexError):
        return f"refused with {refusal.code}"


def _url(words: Words) -> str:
    if words.url:
        if not words.url.startswith(("http://", "https://")):
            raise Problem("--url must begin with http:// or https://")
        return str(words.url).rstrip("/")
    mesh = state.running(DataDir.at(words.data_dir))
    if mesh is None:
        raise Problem(f"no mesh runs here; `{command('up')}` starts it, or say --url")
    return mesh.urls["operators"]


def _credential(words: Words) -> Mapping[str, str]:
    """None in a sandbox where nobody is named: it is then the first of the built-in operators."""
    if words.name:
        key = SANDBOX_OPERATORS.get(words.name)
        if key is None:
            known = ", ".join(SANDBOX_OPERATORS)
            raise Problem(f"no built-in operator is {words.name}; there are: {known}")
    else:
        key = os.environ.get(KEY_VARIABLE, "")
    return {"authorization": f"Bearer {key}"} if key else {}


def _show(proposal: Mapping[str, Any]) -> None:
    decided = f", {proposal['decided_by']}" if proposal["decided_by"] else ""
    failure = f" ({proposal['failure']})" if proposal["failure"] else ""
    say(f"{proposal['proposal_id']}  {proposal['state']}{failure}  {proposal['verb']}")
    say(f"  by {proposal['proposed_by']}{decided}; until {proposal['expires_at']}")
    say(f"  {proposal['payload']}")
    say(f"  sha256 {proposal['payload_sha256']}")


def _show_override(override: Mapping[str, Any]) -> None:
    what = override["rate"] or f"a margin of {override['markup_basis_points']} basis points"
    said = "in force" if override["in_force"] else "not in force"
    say(f"{override['override_id']}  {override['corridor_id']}  {what}, {said}")
    say(f"  {override['starts_at']} to {override.get('ended_at') or override['ends_at']}")
    say(f"  by {override['proposed_by']} and {override['approved_by']}: {override['reason']}")
