"""`dead-letters` and `dead-letter`: all that was set aside, events about payments that are not here
among it, and the verbs on one. Needs nothing installed."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from deploy.local.commands.operators import Words, call, path_of, who
from deploy.local.process.terminal import say

DEAD_LETTERS = "/api/admin/dead-letters"
KINDS = ("orphan", "step", "unreadable", "inbox", "outbox")
Add = Callable[..., argparse.ArgumentParser]


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the commands; `add` takes a name, what runs it, its help and its parents."""
    by = who()
    listed = add("dead-letters", _list, "list what was set aside, and orphans", data, by)
    listed.add_argument("--kind", choices=KINDS, help="only those of one kind")
    decided = add("dead-letter", _decide, "have one tried again, or give it up", data, by)
    decided.add_argument("verb", choices=["requeue", "discard"])
    decided.add_argument("dead_letter_id", metavar="ID")
    decided.add_argument("--note", default="", help="the reason, for the log of actions")


def _list(words: Words) -> int:
    wanted = {"kind": words.kind.upper()} if words.kind else {}
    shown, token = 0, ""
    while True:
        query = urlencode({**wanted, "page_token": token} if token else wanted)
        page = call(words, "GET", f"{DEAD_LETTERS}?{query}" if query else DEAD_LETTERS)
        for letter in page["dead_letters"]:
            _show(letter)
        shown, token = shown + len(page["dead_letters"]), page["next_page_token"]
        if not token:
            break
    if not shown:
        say("Nothing is set aside.")
    return 0


def _decide(words: Words) -> int:
    path = f"{path_of(DEAD_LETTERS, words.dead_letter_id)}:{words.verb}"
    call(words, "POST", path, {"note": words.note})
    say(f"{words.dead_letter_id}  {words.verb}")
    return 0


def _show(letter: Mapping[str, Any]) -> None:
    of = letter["transaction_id"] or "names no payment"
    say(f"{letter['dead_letter_id']}  {letter['kind']}  {letter['reason']}  {of}")
    if letter["event"]:
        say(f"  {letter['event']}")
    if facts := letter.get("provider_event"):
        reference = facts["provider_reference"] or "no reference"
        say(f"  {facts['provider']} {facts['event_id']}, {reference}, key {facts['key'] or 'none'}")
        say(f"  SHA-256 of its bytes {facts['payload_sha256']}")
    if refusal := letter.get("requeue_refusal"):
        say(f"  cannot be requeued: {refusal}")
    if letter["last_error"]:
        say(f"  after {letter['attempts']} tries: {letter['last_error']}")
