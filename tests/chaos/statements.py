"""The providers' statements of account, as an operator reads them: how an attempt has ended, from
the simulator's own book. The verbs that rest on it are in operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.chaos import books
from tests.chaos.books import BookLine
from tests.chaos.checker.money import IN_FLIGHT, MONEY, payouts

# The outcome that an operation's last line proves; after another one nobody knows it yet.
_OUTCOMES = {
    "charge_succeeded": "SUCCEEDED",
    "payout_completed": "SUCCEEDED",
    "refund_succeeded": "SUCCEEDED",
    "payout_failed": "FAILED",
    "refund_failed": "FAILED",
}


@dataclass(frozen=True)
class Statement:
    """All lines that the providers have."""

    lines: Sequence[BookLine]

    def resolution(self, payment: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The outcome that an operator can state of an inspected payment's open attempt; None where
        it has none, or its provider has not decided yet or has forgotten it."""
        attempt = next(
            (one for one in payment.get("attempts", ()) if one["state"] in IN_FLIGHT), None
        )
        if attempt is None:
            return None
        lines = [line for line in self.lines if line.key == attempt["key"]]
        effects = [line.effect for line in lines if line.effect in MONEY]
        outcome = _OUTCOMES.get(effects[-1]) if effects else "FAILED"
        if outcome is None or any(line.effect == "forgotten" for line in lines):
            return None
        evidence = f"statement: {', '.join(effects) or 'no line'}"
        # Only a collection's id is asked for.
        ids = [line.id for line in lines if line.effect == "charge_succeeded"]
        named = {"provider_reference": ids[-1]} if ids else {}
        return {"outcome": outcome, "evidence": evidence, **named}

    def has_payout(self, payment_id: str) -> bool:
        """Whether a recipient of the payment has money, or may get it."""
        lines = [line for line in self.lines if line.transaction_id == payment_id]
        return any(one.live for one in payouts(lines))


async def statement(simulator_url: str) -> Statement | None:
    """The book as it is now; None where it cannot be had."""
    try:
        return Statement(await books.simulator_book(simulator_url))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
