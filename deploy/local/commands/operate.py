"""`operate`: an operator's verb on one payment, at the operators' listener of a mesh, or its effect
without doing it. `propose` takes the same words. Needs nothing installed."""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from deploy.local.commands.operators import Words, call, path_of, who
from deploy.local.process.terminal import Problem, say

PAYMENTS, PREVIEWS = "/api/admin/payments", "/api/admin/previews"
Add = Callable[..., argparse.ArgumentParser]


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A verb on a payment."""

    # In the contract.
    name: str
    # All that it takes beside the payment and the note.
    fields: Callable[[Words], Mapping[str, Any]]
    # Done once for each key.
    has_key: bool = False
    # Never by one person.
    is_proposed: bool = False


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the command; `add` takes a name, the function, the help and the parents."""
    operate = add("operate", _operate, "do a verb on a payment, or show its effect", data, who())
    operate.add_argument("verb", choices=list(VERBS))
    operate.add_argument("target", metavar="ID", help="id of the payment")
    operate.add_argument("--note", default="", help="the reason, for the log of actions")
    operate.add_argument("--preview", action="store_true", help="show the effect, and do nothing")
    operate.add_argument("--key", help="idempotency key, for a second try (default: a new one)")
    add_fields(operate)


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Adds the words of each verb."""
    force = parser.add_argument_group("of force")
    force.add_argument("--provider", default="", help="name of the offramp")
    refund = parser.add_argument_group("of refund")
    refund.add_argument("--amount", help="a part, in dollars")
    refund.add_argument("--full", action="store_true", help="all that is left")
    refund.add_argument("--ends-payout", action="store_true", help="the rest is not paid out")
    refund.add_argument("--refund-reason", default="", help="shown to the merchant")
    correct = parser.add_argument_group("of correct")
    correct.add_argument("--recipient", help="the whole new recipient, as JSON")
    release = parser.add_argument_group("of release")
    release.add_argument("--honour-locked-rate", action="store_true", help="of late funds")
    resolve = parser.add_argument_group("of resolve")
    resolve.add_argument("--outcome", choices=["SUCCEEDED", "FAILED"])
    resolve.add_argument("--evidence", default="", help="as 'statement of 2026-11-26, line 12'")
    resolve.add_argument("--provider-unreachable", action="store_true", help="it is known to be")
    adjust = parser.add_argument_group("of adjust, with --evidence")
    adjust.add_argument("--debit", default="", help="account that receives it")
    adjust.add_argument("--credit", default="", help="account that gives it")
    adjust.add_argument("--amount-minor", type=int, default=0, help="in minor units")
    adjust.add_argument("--currency", default="", help="of both accounts")


def order_of(words: Words) -> Mapping[str, Any]:
    """The verb as a proposal and a preview take it, under its name in the contract."""
    verb = VERBS[words.verb]
    return {verb.name: {"transaction_id": words.target, **verb.fields(words)}}


def _operate(words: Words) -> int:
    verb = VERBS[words.verb]
    if words.preview:
        name, order = next(iter(order_of(words).items()))
        _show(call(words, "POST", PREVIEWS, {name: {**order, "note": words.note}}))
        return 0
    if verb.is_proposed:
        raise Problem(f"{words.verb} needs two people: propose it, or look at it with --preview")
    path = f"{path_of(PAYMENTS, words.target)}:{words.verb}"
    key = words.key or uuid4().hex
    headers = {"idempotency-key": key} if verb.has_key else {}
    try:
        payment = call(words, "POST", path, {**verb.fields(words), "note": words.note}, headers)
    except Problem as problem:
        again = f"; try it again with --key {key}" if verb.has_key else ""
        raise Problem(f"{problem}{again}") from None
    say(f"{payment['transaction_id']}  {payment['status']}")
    return 0


def _refund(words: Words) -> Mapping[str, Any]:
    return {
        "amount_usd": words.amount or "",
        "full": words.full,
        "reason": words.refund_reason,
        "ends_payout": words.ends_payout,
    }


def _correct(words: Words) -> Mapping[str, Any]:
    try:
        return {"recipient": json.loads(words.recipient or "{}")}
    except ValueError:
        raise Problem("--recipient is not JSON") from None


def _resolve(words: Words) -> Mapping[str, Any]:
    return {
        "outcome": words.outcome or "OUTCOME_UNSPECIFIED",
        "evidence": words.evidence,
        "provider_unreachable": words.provider_unreachable,
    }


def _adjust(words: Words) -> Mapping[str, Any]:
    names = ("debit", "credit", "amount_minor", "currency", "evidence")
    return {name: getattr(words, name) for name in names}


def _nothing(words: Words) -> Mapping[str, Any]:
    return {}


# By the ends of their routes.
VERBS: Mapping[str, Verb] = {
    "force": Verb(
        name="force_payout", fields=lambda words: {"provider": words.provider}, has_key=True
    ),
    "hold": Verb(name="place_hold", fields=_nothing),
    "try": Verb(name="try_now", fields=_nothing),
    "refund": Verb(name="refund_payment", fields=_refund, has_key=True),
    "correct": Verb(name="correct_payment", fields=_correct, has_key=True),
    "release": Verb(
        name="release_hold",
        fields=lambda words: {"honour_locked_rate": words.honour_locked_rate},
    ),
    "resolve": Verb(name="resolve_attempt", fields=_resolve),
    "adjust": Verb(name="adjust_payment", fields=_adjust, is_proposed=True),
}


def _show(preview: Mapping[str, Any]) -> None:
    say(f"{preview['transaction_id']}  {preview['verb']}")
    for answer in preview["provider_answers"]:
        say(f"  {answer['provider']} says of {answer['key']}: {answer['answer']}")
    if preview["needs_second_person"]:
        say("  Needs two people: propose it.")
    if refusal := preview.get("refusal"):
        say(f"  Refused now, {refusal['reason']}: {refusal['message'].rstrip('.')}")
        return
    before, after = (_standing(preview[when]) for when in ("before", "after"))
    say(f"  {before} -> {after}; due {preview['after'].get('due_at') or 'never'}")
    for posting in preview["postings"]:
        moved = f"{posting['amount']} {posting['currency']}"
        say(f"  posts {moved} to {posting['debit']} from {posting['credit']}")
    for event in preview["merchant_events"]:
        say(f"  sends {event['event_type']} to {event['url']}")


def _standing(standing: Mapping[str, Any]) -> str:
    hold = f", on hold as {standing['hold_reason']}" if standing["hold_reason"] else ""
    return f"{standing['state']}{hold}"
