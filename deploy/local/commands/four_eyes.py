"""`propose`, `proposals`, `approve`, `refuse`, `withdraw`, `overrides` and `end-override`: verbs
that two operators agree on. Needs nothing installed."""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.local.commands import operate
from deploy.local.commands.operators import Words, call, path_of, who
from deploy.local.process.terminal import Problem, say

PROPOSALS, OVERRIDES = "/api/admin/proposals", "/api/admin/rate-overrides"
OVERRIDE = "override"
# The verbs on a payment that two people can agree on.
ON_PAYMENTS = ("force", "refund", "correct", "release", "resolve", "adjust")
RESUMED = {"resume-provider": "provider", "resume-corridor": "corridor_id"}
ACCEPT, DATABASE = "accept", "database"
Add = Callable[..., argparse.ArgumentParser]


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the commands; `add` takes a name, what runs it, its help and its parents."""
    by = who()
    _add_propose(
        add("propose", _propose, "propose a verb that another operator approves", data, by)
    )
    listed = add("proposals", _proposals, "list the proposals that wait, or all", data, by)
    listed.add_argument("--all", action="store_true", help="the decided ones too")
    approve = add("approve", _approve, "approve another operator's proposal: it is done", data, by)
    approve.add_argument("proposal_id")
    approve.add_argument("--sha256", help="only where the payload is this one")
    approve.add_argument("--yes", action="store_true", help="without asking first")
    for name, run, summary in (
        ("refuse", _refuse, "refuse another operator's proposal"),
        ("withdraw", _withdraw, "withdraw a proposal of yours"),
    ):
        decided = add(name, run, summary, data, by)
        decided.add_argument("proposal_id")
        decided.add_argument("--note", default="", help="the reason, for the log of actions")
    add("overrides", _overrides, "list the overrides of rates", data, by)
    end = add("end-override", _end_override, "end an override before its time", data, by)
    end.add_argument("override_id")
    end.add_argument("--note", default="", help="the reason, for the log of actions")


def _add_propose(propose: argparse.ArgumentParser) -> None:
    propose.add_argument("verb", choices=[OVERRIDE, *ON_PAYMENTS, *RESUMED, ACCEPT])
    target = "id of the corridor or the payment, the provider, or of accept: database"
    propose.add_argument("target", help=target)
    propose.add_argument("--reason", required=True, help="for the one who approves, and the log")
    override = propose.add_argument_group("of override")
    override.add_argument("--rate", help="the middle in the place of the market's, as 1540.5")
    override.add_argument("--margin", type=int, help="our margin in its place, in basis points")
    override.add_argument("--hours", type=float, default=2.0, help="for how long (2)")
    operate.add_fields(propose)


def _propose(words: Words) -> int:
    _show(call(words, "POST", PROPOSALS, {"reason": words.reason, **_verb(words)}))
    return 0


def _verb(words: Words) -> Mapping[str, Any]:
    if words.verb in ON_PAYMENTS:
        return operate.order_of(words)
    if words.verb in RESUMED:
        return {words.verb.replace("-", "_"): {RESUMED[words.verb]: words.target}}
    if words.verb == ACCEPT:
        if words.target != DATABASE:
            raise Problem(f"accept takes the {DATABASE} and nothing else")
        return {"accept_database": {}}
    ends_at = datetime.now(UTC) + timedelta(hours=words.hours)
    order = {"corridor_id": words.target, "ends_at": f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"}
    order |= {"rate": words.rate} if words.rate is not None else {}
    order |= {"markup_basis_points": words.margin} if words.margin is not None else {}
    return {"rate_override": order}


def _proposals(words: Words) -> int:
    query = "" if words.all else "?state=PROPOSED"
    found = call(words, "GET", f"{PROPOSALS}{query}")["proposals"]
    for proposal in found:
        _show(proposal)
    if not found:
        say("Nothing waits." if not words.all else "There is none.")
    return 0


def _approve(words: Words) -> int:
    path = path_of(PROPOSALS, words.proposal_id)
    proposal = call(words, "GET", path)
    _show(proposal)
    sha256 = words.sha256 or proposal["payload_sha256"]
    if not words.yes and not words.sha256:
        _confirm("Approve it? It is done at once. [y/N] ")
    _show(call(words, "POST", f"{path}:approve", {"payload_sha256": sha256}))
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
    path = f"{path_of(PROPOSALS, words.proposal_id)}:{verb}"
    _show(call(words, "POST", path, {"note": words.note}))
    return 0


def _overrides(words: Words) -> int:
    found = call(words, "GET", OVERRIDES)["overrides"]
    for override in found:
        _show_override(override)
    if not found:
        say("There is none.")
    return 0


def _end_override(words: Words) -> int:
    path = f"{path_of(OVERRIDES, words.override_id)}:end"
    _show_override(call(words, "POST", path, {"note": words.note}))
    return 0


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
