"""Fee schedules for property tests, and their arithmetic written a second time: by fractions, from
the canonical terms alone, and from the formulas of the lines."""

import json
import math
import re
from datetime import date
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from services.shared.corridors import Corridor, FeeSchedule, TierKind, fee_of
from services.shared.corridors.rules import problems
from services.shared.money import Money

FROM_NEW_YEAR: dict[str, Any] = {"version": "1", "effective_from": date(2026, 1, 1)}
# The limits of the corridors here: small, so that a test can look at every cent of them.
LEAST, MOST = 200, 3000
_KINDS = st.sampled_from([None, TierKind.MARGINAL, TierKind.WHOLE_AMOUNT])
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def usd(minor: int) -> Money:
    """So many cents."""
    return Money(minor, "USD")


def make_schedule(**terms: Any) -> FeeSchedule:
    """A schedule, as a file would have it."""
    return FeeSchedule.model_validate({**FROM_NEW_YEAR, **terms})


@st.composite
def schedules(draw: st.DrawFn) -> FeeSchedule:
    """Schedules of every kind; those with cliffs declare them, but for some that do not."""
    kind = draw(_KINDS)
    terms = draw(_terms())
    if kind is None:
        return make_schedule(**terms)
    starts = sorted(draw(st.sets(st.integers(LEAST + 1, MOST), min_size=1, max_size=3)))
    tiers = [
        {"from_usd": str(usd(start)), **draw(_terms(alone=kind is TierKind.MARGINAL))}
        for start in starts
    ]
    bare = make_schedule(**terms, tier_kind=kind, tiers=tiers)
    if draw(st.integers(0, 9)) == 0:
        return bare
    declared = [
        {**tier, "cliff": jumps_at(bare, start)} for tier, start in zip(tiers, starts, strict=True)
    ]
    return make_schedule(**terms, tier_kind=kind, tiers=declared)


@st.composite
def _terms(draw: st.DrawFn, *, alone: bool = False) -> dict[str, Any]:
    digits = draw(st.integers(0, 4))
    percent = draw(st.integers(0, 30 * 10**digits))
    whole, part = divmod(percent, 10**digits)
    terms: dict[str, Any] = {"percent": f"{whole}.{part:0{digits}}" if digits else str(whole)}
    if alone:
        return terms
    if draw(st.booleans()):
        terms["flat_usd"] = str(usd(draw(st.integers(1, 150))))
    if percent and draw(st.booleans()):
        terms["minimum_usd"] = str(usd(draw(st.integers(1, 60))))
    if percent and draw(st.booleans()):
        terms["maximum_usd"] = str(usd(draw(st.integers(60, 400))))
    return terms


def jumps_at(schedule: FeeSchedule, start: int) -> bool:
    """Whether the cent at a threshold costs less than the one before, or more than it brings."""
    before, at = (fee_of(schedule, usd(minor)).amount_minor for minor in (start - 1, start))
    return not 0 <= at - before <= 1


def corridor_with(*fees: FeeSchedule) -> Corridor:
    """A corridor with these schedules, whatever is wrong with them."""
    return Corridor.model_validate(
        {
            "id": "us-in",
            "source": {"country": "US", "currency": "USD"},
            "destination": {"country": "IN", "currency": "INR"},
            "limits": {"minimum_usd": str(usd(LEAST)), "maximum_usd": str(usd(MOST))},
            "providers": {"onramps": ["stripe"], "offramps": ["local_wallet"]},
            "fx": {"sources": ["ecb"], "markup_basis_points": 50},
            "quote": {"lifetime_seconds": 60},
            "late_funds": {"grace_seconds": 300, "tolerance_basis_points": 100},
            "recipients": {
                "wallet": {
                    "rail": "wallet",
                    "required": {"wallet_id": "wallet_id"},
                    "example": {"wallet_id": "wallet-0001"},
                }
            },
            "fees": fees,
        }
    )


def refusals(*fees: FeeSchedule) -> list[str]:
    """The refusals of a corridor with these schedules."""
    return list(problems(corridor_with(*fees)))


def recomputed(terms_json: str, minor: int) -> dict[str, int]:
    """The lines of an amount in cents, from the canonical terms alone."""
    terms = json.loads(terms_json)
    assert (terms["currency"], terms["rounding"]) == ("USD", "half_up")
    amount = Fraction(minor, 100)
    counts, parts = terms, [(amount, terms)]
    tiers = terms.get("tiers", [])
    if terms.get("tier_kind") == "whole_amount":
        for tier in tiers:
            if amount >= Fraction(tier["from_usd"]):
                counts = tier
        parts = [(amount, counts)]
    elif tiers:
        starts = [Fraction(0), *(Fraction(tier["from_usd"]) for tier in tiers)]
        ends = [*starts[1:], amount]
        parts = [
            (max(min(end, amount) - start, Fraction(0)), tier)
            for start, end, tier in zip(starts, ends, [terms, *tiers], strict=True)
        ]
    share = sum(part * Fraction(one.get("percent", "0")) / 100 for part, one in parts)
    percentage = math.floor(share * 100 + Fraction(1, 2))
    if "minimum_usd" in counts:
        percentage = max(percentage, int(Fraction(counts["minimum_usd"]) * 100))
    if "maximum_usd" in counts:
        percentage = min(percentage, int(Fraction(counts["maximum_usd"]) * 100))
    flat = int(Fraction(counts.get("flat_usd", "0")) * 100)
    return {name: cents for name, cents in (("flat", flat), ("percentage", percentage)) if cents}


def evaluated(formula: str) -> Fraction:
    """The value of a line's formula: each number a fraction."""

    def round_half_up(value: Fraction, digits: Fraction) -> Fraction:
        scale = 10 ** int(digits)
        return Fraction(math.floor(value * scale + Fraction(1, 2)), scale)

    text = _NUMBER.sub(lambda number: f"Fraction('{number.group()}')", formula)
    known = {"Fraction": Fraction, "min": min, "max": max, "round_half_up": round_half_up}
    return Fraction(eval(text, {"__builtins__": {}}, known))
