"""The simulator's false answers: modes drawn again for each provider from time to time. The
simulator's README describes each mode."""

import random
from collections.abc import Mapping
from typing import Any

import aiohttp

Modes = dict[str, Any]

OFFRAMPS = ("flutterwave", "local_wallet", "paystack", "wise")
PROVIDERS = (*OFFRAMPS, "stripe")
# Struck so many times for one key, then let through: a step gets on at last.
BOUNDED = (
    *("accept_then_hang", "drop_before_accept", "500_before", "500_after"),
    *("amnesia", "rate_limit", "brownout", "huge_body", "invalid_utf8"),
)
LASTING = (
    *("key_mismatch_error", "no_balance", "webhook_only"),
    *("amount+1", "amount-1", "currency_swap", "net_of_fee", "unknown_status", "extra_fields"),
    *("webhook_before_response", "no_webhook", "bad_signature"),
    *("hold", "payout_fails", "recipient_refused", "refund_fails"),
)
# Each with its parameter, and from what to what that is drawn.
MEASURED = {
    "slow_lookup": ("seconds", 1, 6),
    "lookup_lag": ("seconds", 1, 10),
    "eventual_list": ("seconds", 1, 10),
    "dispute": ("seconds", 1, 15),
    "late_fail": ("seconds", 1, 15),
    "late_success": ("seconds", 1, 15),
    "duplicate_webhook": ("copies", 2, 5),
    "reorder": ("window", 2, 4),
    "old_timestamp": ("seconds", 400, 7200),
    "future_timestamp": ("seconds", 400, 7200),
}
# key_ttl is left out: a provider that forgets a key sooner than it has promised charges twice, and
# nobody who must ask twice could help it. So is cache_500: it lasts as long as a key, for days, and
# outlives the healing; the load asks for it by the payment.
MODES = (*BOUNDED, *LASTING, *MEASURED)
# After these a payout never ends while they are on, nor later by itself.
ENDLESS = {"hold"}
# Effects of these modes go on after they are healed, unless the simulator is started again.
OUTLASTING = ENDLESS | {"late_effect"}
# Modes that only a phase turns on: see phases.
OF_PHASES = {"flapping", "late_effect"}
# Modes that the simulator refuses at a provider.
IMPOSSIBLE: Mapping[str, frozenset[str]] = {
    "flutterwave": frozenset(
        {"no_balance", "refund_fails", "dispute", "old_timestamp", "future_timestamp"}
    ),
    "local_wallet": frozenset({"refund_fails", "dispute", "eventual_list"}),
    "paystack": frozenset(
        {
            *("refund_fails", "dispute", "old_timestamp", "future_timestamp", "eventual_list"),
            "recipient_refused",
        }
    ),
    "stripe": frozenset(
        {
            *("hold", "payout_fails", "recipient_refused", "no_balance"),
            *("late_fail", "late_success", "flapping"),
        }
    ),
    "wise": frozenset(
        {"refund_fails", "dispute", "old_timestamp", "future_timestamp", "recipient_refused"}
    ),
}
# The share of operations, in a hundred, for a mode after which people decide; the others may strike
# more.
RARE_PROBABILITY, COMMON_PROBABILITY = 0.05, 0.4
HELD_FOR = {
    *("amount+1", "amount-1", "currency_swap", "net_of_fee", "amnesia", "late_success"),
    *("refund_fails", "key_mismatch_error", "dispute"),
}
RESTED_SHARE = 0.3
ANSWER_SECONDS = 5.0


def draw(rng: random.Random, allowed: frozenset[str]) -> dict[str, Any]:
    """The modes of every provider: a few of the allowed ones each, or none."""
    return {
        provider: {
            "seed": rng.randrange(1_000_000),
            "modes": {} if rng.random() < RESTED_SHARE else _modes(rng, provider, allowed),
        }
        for provider in PROVIDERS
    }


def _modes(rng: random.Random, provider: str, allowed: frozenset[str]) -> Modes:
    possible = [mode for mode in MODES if mode in allowed - IMPOSSIBLE[provider]]
    chosen = rng.sample(possible, k=min(len(possible), rng.randint(1, 4)))
    return {mode: _setting(rng, mode) for mode in chosen}


def _setting(rng: random.Random, mode: str) -> dict[str, Any]:
    most = RARE_PROBABILITY if mode in HELD_FOR else COMMON_PROBABILITY
    setting: dict[str, Any] = {"probability": round(rng.uniform(0.01, most), 3)}
    if mode in BOUNDED:
        setting["times"] = rng.choice((1, 1, 2, 3))
    if mode in MEASURED:
        name, least, largest = MEASURED[mode]
        setting[name] = rng.randint(least, largest)
    return setting


async def turn_on(simulator_url: str, regimes: Mapping[str, Any]) -> None:
    """Turns these lies on in place of all others. Raises where the simulator does not answer."""
    async with _session(simulator_url) as session:
        for provider, regime in regimes.items():
            async with session.put(f"/control/{provider}", json=regime) as answer:
                answer.raise_for_status()


async def heal(simulator_url: str) -> None:
    """Turns every lie off. Raises where the simulator does not answer."""
    async with _session(simulator_url) as session:
        for provider in PROVIDERS:
            async with session.delete(f"/control/{provider}") as answer:
                answer.raise_for_status()


async def modes_on(simulator_url: str) -> dict[str, Any]:
    """The modes that are on, by provider. Raises where the simulator does not answer."""
    async with _session(simulator_url) as session, session.get("/control") as answer:
        answer.raise_for_status()
        return dict(await answer.json())


async def book(simulator_url: str) -> list[dict[str, Any]]:
    """The real effects at the providers, oldest first."""
    async with _session(simulator_url, seconds=60) as session, session.get("/book") as answer:
        answer.raise_for_status()
        return list(await answer.json())


def _session(simulator_url: str, seconds: float = ANSWER_SECONDS) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(simulator_url, timeout=aiohttp.ClientTimeout(total=seconds))
