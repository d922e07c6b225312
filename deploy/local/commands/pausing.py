"""`pause`, `resume` and `pauses`: providers and corridors with which nothing new is begun. Needs
nothing installed."""

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.local.commands.operate import PREVIEWS
from deploy.local.commands.operators import Words, call, path_of, who
from deploy.local.process.terminal import say

PLURALS = {"provider": "/api/admin/providers", "corridor": "/api/admin/corridors"}
NAMES = {"provider": "provider", "corridor": "corridor_id"}
Add = Callable[..., argparse.ArgumentParser]


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the commands; `add` takes a name, what runs it, its help and its parents."""
    by = who()
    pause = add(
        "pause", _pause, "quote and create nothing new with a provider or corridor", data, by
    )
    _add_target(pause)
    pause.add_argument("--hours", type=float, help="for how long (until it is resumed)")
    pause.add_argument("--wait", action="store_true", help="what was not sent waits; needs --hours")
    _add_target(add("resume", _resume, "end the pauses of a provider or a corridor", data, by))
    listed = add("pauses", _pauses, "list the pauses in force, or all", data, by)
    listed.add_argument("--all", action="store_true", help="the ended ones too")


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=[*PLURALS])
    parser.add_argument("target", help="name of the provider, or id of the corridor")
    parser.add_argument("--reason", required=True, help="for the other operators, and the log")
    parser.add_argument("--preview", action="store_true", help="show the effect, and do nothing")


def _pause(words: Words) -> int:
    order = {"reason": words.reason, "under_way": "WAIT" if words.wait else "FINISH"}
    if words.hours is not None:
        ends_at = datetime.now(UTC) + timedelta(hours=words.hours)
        order["ends_at"] = f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"
    if words.preview:
        return _preview(words, "pause", order)
    _show(call(words, "POST", f"{_path(words)}:pause", order))
    return 0


def _resume(words: Words) -> int:
    if words.preview:
        return _preview(words, "resume", {"reason": words.reason})
    for pause in call(words, "POST", f"{_path(words)}:resume", {"reason": words.reason})["pauses"]:
        _show(pause)
    return 0


def _preview(words: Words, verb: str, order: Mapping[str, Any]) -> int:
    named = {NAMES[words.kind]: words.target, **order}
    shown = call(words, "POST", PREVIEWS, {f"{verb}_{words.kind}": named})
    if shown["needs_second_person"]:
        say("  Needs two people: propose it.")
    if refusal := shown.get("refusal"):
        say(f"  Refused now, {refusal['reason']}: {refusal['message'].rstrip('.')}")
        return 0
    for one in shown["under_way"]:
        sent = "sent" if one["sent"] else "never sent"
        fate = "wait" if one["waits"] else "finish"
        provider = one["provider"] or "no provider yet"
        say(f"  {one['payments']} {one['state']}, {one['step']} by {provider}, {sent}: they {fate}")
    if not shown["under_way"]:
        say("  No payment is under way there.")
    say(f"  {shown['waiting_now']} wait now for the end of a pause.")
    if shown["is_partial"]:
        say("  More payments are under way than were counted.")
    return 0


def _pauses(words: Words) -> int:
    query = "" if words.all else "?in_force=true"
    found = call(words, "GET", f"/api/admin/pauses{query}")["pauses"]
    for pause in found:
        _show(pause)
    if not found:
        say("There is none." if words.all else "Nothing is paused.")
    return 0


def _path(words: Words) -> str:
    return path_of(PLURALS[words.kind], words.target)


def _show(pause: Mapping[str, Any]) -> None:
    said = "in force" if pause["in_force"] else "not in force"
    end = pause.get("ended_at") or pause.get("ends_at") or "it is resumed"
    kind = pause["kind"].lower()
    say(f"{pause['pause_id']}  {kind} {pause['name']}  {pause['under_way']}, {said}")
    say(f"  {pause['starts_at']} until {end}")
    say(f"  by {pause['paused_by']}: {pause['reason']}")
    if pause["ended_by"]:
        say(f"  ended by {pause['ended_by']}: {pause['end_reason']}")
