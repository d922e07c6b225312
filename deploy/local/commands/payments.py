"""`payments search`: payments of all merchants, found by an id, by filters or by both, as a table
or as JSON. Needs nothing installed."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from deploy.local.commands.operators import Words, call, who
from deploy.local.process.terminal import say, table

PAYMENTS = "/api/admin/payments"
# The most of one page, which the contract states.
PAGE_MAX = 200
LIMIT = 50
HEAD = ("payment", "state", "hold", "usd", "payout", "corridor", "by", "created", "reference")
Add = Callable[..., argparse.ArgumentParser]


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the command; `add` takes a name, what runs it, its help and its parents."""
    summary = "find payments of all merchants"
    verbs = add("payments", _search, summary).add_subparsers(dest="verb", required=True)
    # A parser of its own, so that the id may stand behind the filters.
    search = verbs.add_parser("search", help=summary, description=summary, parents=[data, who()])
    search.add_argument(
        "query",
        nargs="?",
        metavar="ID",
        help="a whole id: of a payment, quote, refund or dispute, a merchant's reference or key, "
        "a provider's own",
    )
    several: dict[str, Any] = {"action": "append", "default": []}
    search.add_argument("--state", dest="states", help="may be given several times", **several)
    search.add_argument("--hold", dest="hold_reasons", help="reason of a hold", **several)
    search.add_argument("--on-hold", action="store_true", help="on hold for any reason")
    search.add_argument("--overdue", action="store_true", help="without progress, or too late")
    search.add_argument("--provider", help="as onramp or offramp")
    search.add_argument("--corridor", dest="corridor_id", help="id of the corridor")
    search.add_argument("--merchant", dest="merchant_id", help="id of the merchant")
    search.add_argument("--from-usd", dest="amount_from_usd", help="the smallest amount")
    search.add_argument("--to-usd", dest="amount_to_usd", help="the largest amount")
    search.add_argument("--after", dest="created_after", help="as 2026-11-29T18:30:00Z")
    search.add_argument("--before", dest="created_before", help="as 2026-11-29T18:30:00Z")
    search.add_argument("--limit", type=int, default=LIMIT, help=f"at most so many ({LIMIT})")
    search.add_argument("--page-token", default="", help="goes on after an earlier answer")
    search.add_argument("--json", action="store_true", help="as JSON, for programs")


# Of an instant, up to its seconds.
_SECONDS = len("2026-11-29T18:30:00")
_ONE = (
    *("query", "provider", "corridor_id", "merchant_id"),
    *("amount_from_usd", "amount_to_usd", "created_after", "created_before"),
)


def _search(words: Words) -> int:
    found = _found(words)
    if words.json:
        say(json.dumps(found, indent=2))
        return 0
    if found["payments"]:
        table(HEAD, [_row(one) for one in found["payments"]], numbers=(3, 4))
    else:
        say("No payment was found.")
    for unreadable in found["unreadable_transaction_ids"]:
        say(f"{unreadable}  cannot be read")
    if found["next_page_token"]:
        say(f"More may follow: --page-token {found['next_page_token']}")
    return 0


def _found(words: Words) -> Mapping[str, Any]:
    """The answers of as many pages as it takes, as if they were one. A page may be empty, and
    another one follow."""
    payments: list[Any] = []
    unreadable: list[str] = []
    token, left = words.page_token, max(1, words.limit)
    while True:
        page = call(words, "GET", f"{PAYMENTS}?{urlencode(_query(words, token, left), doseq=True)}")
        payments += page["payments"]
        unreadable += page["unreadable_transaction_ids"]
        token, left = page["next_page_token"], left - len(page["payments"])
        if not token or left <= 0:
            break
    return {
        "payments": payments,
        "unreadable_transaction_ids": unreadable,
        "next_page_token": token,
    }


def _query(words: Words, token: str, left: int) -> Mapping[str, Any]:
    one = {name: value for name in _ONE if (value := getattr(words, name)) is not None}
    flags = {name: "true" for name in ("on_hold", "overdue") if getattr(words, name)}
    several = {"states": words.states, "hold_reasons": words.hold_reasons}
    # No more than are wanted, so that the token goes on right after the last one that is shown.
    paging = {"page_size": min(PAGE_MAX, left), **({"page_token": token} if token else {})}
    return {**one, **flags, **several, **paging}


def _row(found: Mapping[str, Any]) -> Sequence[str]:
    payment = found["payment"]
    hold = payment.get("hold") or {}
    return (
        payment["transaction_id"],
        found["state"],
        hold.get("reason", "-"),
        payment["amount_usd"],
        f"{payment['payout_amount']} {payment['destination_currency']}",
        payment["corridor_id"],
        "/".join(filter(None, (payment["onramp"], payment["offramp"]))),
        payment["created_at"][:_SECONDS],
        payment["reference"] or "-",
    )
