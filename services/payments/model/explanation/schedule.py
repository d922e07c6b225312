"""The fee lines that a schedule makes of an amount, computed from its terms as they were kept."""

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from services.payments.model.explanation.arithmetic import NoFormula, rounded

# Schedules of a release say more, which is not needed here; of other rules nothing is understood.
TIER_KINDS = ("marginal", "whole_amount")


def lines_of(
    schedule_terms: str, amount: Fraction, decimals: int, mode: str
) -> Mapping[str, Fraction]:
    """The fee lines by their names, without those that are zero, rounded by the mode where the
    terms name none. Raises NoFormula."""
    terms = _read(schedule_terms)
    mode = terms.get("rounding", mode)
    counting, exact = _counting(terms, amount), _percentage(terms, amount)
    lines = {
        "flat": _money(counting, "flat_usd") or Fraction(0),
        "percentage": _bounded(counting, exact, decimals, mode),
    }
    return {name: line for name, line in lines.items() if line}


# Many quotes have one of a few schedules.
@lru_cache(maxsize=256)
def _read(schedule_terms: str) -> Mapping[str, Any]:
    terms: Mapping[str, Any] = json.loads(schedule_terms)
    return terms


def _tiers(terms: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tiers: list[Mapping[str, Any]] = terms.get("tiers", [])
    if tiers and terms.get("tier_kind") not in TIER_KINDS:
        raise NoFormula("the kind of its tiers is not understood")
    return tiers


def _counting(terms: Mapping[str, Any], amount: Fraction) -> Mapping[str, Any]:
    """The terms whose flat part and bounds count for an amount: of the last tier that it reaches,
    where tiers price the whole amount."""
    counting = terms
    for tier in _tiers(terms):
        if terms["tier_kind"] == "whole_amount" and Fraction(tier["from_usd"]) <= amount:
            counting = tier
    return counting


def _percentage(terms: Mapping[str, Any], amount: Fraction) -> Fraction:
    return sum((part * share for part, share in _shares(terms, amount)), start=Fraction(0))


def _shares(terms: Mapping[str, Any], amount: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
    """The parts of an amount, and the share that is taken of each."""
    if terms.get("tier_kind") != "marginal":
        yield amount, _share(_counting(terms, amount))
        return
    tiers = [tier for tier in _tiers(terms) if Fraction(tier["from_usd"]) < amount]
    starts = [Fraction(0), *(Fraction(tier["from_usd"]) for tier in tiers)]
    for start, end, part in zip(starts, [*starts[1:], amount], [terms, *tiers], strict=True):
        yield end - start, _share(part)


def _bounded(terms: Mapping[str, Any], exact: Fraction, decimals: int, mode: str) -> Fraction:
    part = rounded(exact, decimals, mode)
    least, most = _money(terms, "minimum_usd"), _money(terms, "maximum_usd")
    part = part if least is None else max(part, least)
    return part if most is None else min(part, most)


def _share(terms: Mapping[str, Any]) -> Fraction:
    return Fraction(terms.get("percent", "0")) / 100


def _money(terms: Mapping[str, Any], name: str) -> Fraction | None:
    return Fraction(terms[name]) if terms.get(name) else None
