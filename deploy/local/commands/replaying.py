"""`replay` and `requeue`: events that are sent to merchants' endpoints again, and many dead
letters. Each goes on until nothing is left. Needs nothing installed."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from deploy.local.commands.operators import Words, call, path_of, who
from deploy.local.process.terminal import Problem, say

DELIVERIES, ENDPOINTS = "/api/admin/deliveries", "/api/admin/webhook-endpoints"
REQUEUE = "/api/admin/dead-letters:requeue"
Add = Callable[..., argparse.ArgumentParser]


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the commands; `add` takes a name, what runs it, its help and its parents."""
    by = who()
    replay = add("replay", _replay, "send events to a merchant's endpoint again", data, by)
    replay.add_argument("kind", choices=["delivery", "endpoint"])
    replay.add_argument("target", metavar="ID", help="id of the delivery or the endpoint")
    replay.add_argument("--since", help="of an endpoint: those tried from this time on")
    replay.add_argument("--note", default="", help="the reason, for the log of actions")
    requeue = add("requeue", _requeue, "have the dead letters of a filter tried again", data, by)
    requeue.add_argument("--merchant", default="", help="those of this merchant")
    requeue.add_argument("--endpoint", default="", help="events that this endpoint never took")
    requeue.add_argument("--reason", default="", help="those of this reason, as delivery_failed")
    requeue.add_argument("--note", default="", help="the reason, for the log of actions")


def _replay(words: Words) -> int:
    # One time for all calls: what was sent again is then never sent twice.
    order = {"tried_before": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "note": words.note}
    collection = DELIVERIES
    if words.kind == "endpoint":
        if not words.since:
            raise Problem("say --since, for example 2026-11-29T18:30:00Z")
        collection, order = ENDPOINTS, {"tried_since": words.since, **order}
    elif words.since:
        raise Problem("--since is for an endpoint")
    path = f"{path_of(collection, words.target)}:replay"
    events, has_more = 0, True
    while has_more:
        answer = call(words, "POST", path, order)
        events, has_more = events + answer["events"], answer["has_more"]
    say(f"{events} sent again.")
    return 0


def _requeue(words: Words) -> int:
    order: dict[str, Any] = {
        "merchant_id": words.merchant,
        "endpoint_id": words.endpoint,
        "reason": words.reason,
        "note": words.note,
    }
    requeued, refused = 0, 0
    while True:
        answer = call(words, "POST", REQUEUE, order)
        requeued += len(answer["dead_letter_ids"])
        for one in answer["refused"]:
            refused += 1
            say(f"{one['dead_letter_id']}  {one['reason']}")
        if not answer["next_page_token"]:
            break
        order["page_token"] = answer["next_page_token"]
    say(f"{requeued} requeued, {refused} refused.")
    return 1 if refused else 0
