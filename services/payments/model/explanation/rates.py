"""The rate: the mid from its observed legs or from an override, and the rate from the margins."""

from collections.abc import Iterator
from fractions import Fraction

from services.payments.model.explanation.arithmetic import MODES, shown, to_digits
from services.payments.model.explanation.step import (
    UNKNOWN,
    Rule,
    Step,
    differs,
    found,
    rounded_step,
    unknown,
)
from services.payments.model.quote import Pricing, RateLeg, RateTrail, Terms
from services.shared.money import format_rate

BASIS_POINTS = 10_000
# The figure of the market's own middle, where an override replaced it.
MARKET = "market_mid_rate"
# As rates always were, where the trail does not say.
RATE_DIGITS = 18


def rate_steps(terms: Terms, pricing: Pricing | None) -> Iterator[Step]:
    """The mid rate, the margin where an override replaced it, and the rate."""
    if pricing is None:
        yield unknown("mid_rate", "its legs", format_rate(terms.mid_rate))
        yield unknown("fx_rate", "mid_rate less the margin", format_rate(terms.rate))
        return
    trail, currency = pricing.trail, terms.payout.currency
    yield from _mid_steps(trail, terms.amount.currency, currency)
    if trail.override and trail.override.markup_basis_points is not None:
        replaced = Fraction(trail.override.markup_basis_points)
        stored = Fraction(trail.markup_basis_points)
        yield Step(
            figure="markup_basis_points",
            formula="the margin of the override",
            inputs=(("override", trail.override.override_id),),
            result=shown(replaced),
            stored=shown(stored),
            finding=found(stored, [replaced]),
        )
    yield _rate_step(trail, pricing)


def _mid_steps(trail: RateTrail, base: str, quote: str) -> Iterator[Step]:
    """The middle; where an override replaced the market's, that of the market too, against which
    the cost is measured."""
    if trail.override is None or trail.override.rate is None:
        yield _market_step("mid_rate", trail, base, quote)
        return
    replacing = Fraction(trail.override.rate)
    yield Step(
        figure="mid_rate",
        formula="the rate of the override",
        inputs=(("override", trail.override.override_id),),
        result=shown(replacing),
        stored=format_rate(trail.mid_rate),
        finding=found(Fraction(trail.mid_rate), [replacing]),
    )
    if trail.replaced_mid_rate is None:
        yield unknown(MARKET, "the market's middle", "")
    else:
        yield _market_step(MARKET, trail, base, quote)


def _market_step(figure: str, trail: RateTrail, base: str, quote: str) -> Step:
    market = trail.market_mid_rate
    stored = format_rate(market)
    if not trail.legs:
        return unknown(figure, "its legs", stored)
    inputs = tuple(
        (f"{leg.base_currency}/{leg.quote_currency}", format_rate(leg.rate)) for leg in trail.legs
    )
    exact, formula, place = _along(trail.legs, base)
    if place != quote:
        return differs(figure, f"the legs do not lead from {base} to {quote}", inputs, stored)
    # Rounded to the digits of a rate, as a cross of two legs must be.
    candidates = [to_digits(exact, RATE_DIGITS, mode) for mode in MODES]
    return Step(
        figure=figure,
        formula=f"{formula}, to {RATE_DIGITS} digits",
        inputs=inputs,
        result=shown(candidates[0]),
        stored=stored,
        finding=found(Fraction(market), candidates),
    )


def _along(legs: tuple[RateLeg, ...], base: str) -> tuple[Fraction, str, str]:
    """The worth of one unit of base after these legs, its formula, and the currency it is in; no
    currency where a leg does not go on from the one before."""
    exact, formula, place = Fraction(1), "", base
    for leg in legs:
        pair = f"{leg.base_currency}/{leg.quote_currency}"
        if place == leg.base_currency:
            exact, place = exact * Fraction(leg.rate), leg.quote_currency
            formula = f"{formula} x {pair}" if formula else pair
        elif place == leg.quote_currency:
            exact, place = exact / Fraction(leg.rate), leg.base_currency
            formula = f"{formula or '1'} / {pair}"
        else:
            return exact, formula, ""
    return exact, formula, place


def _rate_step(trail: RateTrail, pricing: Pricing) -> Step:
    closed, rounding = trail.closed_market_basis_points, pricing.rounding
    margin = trail.markup_basis_points + (closed or 0)
    exact = Fraction(trail.mid_rate) * Fraction(BASIS_POINTS - margin, BASIS_POINTS)
    digits = rounding.rate_digits if rounding else RATE_DIGITS
    # A rate from before such a margin was kept had none.
    return rounded_step(
        "fx_rate",
        "mid_rate x (1 - (markup + closed_market) / 10000)",
        (
            ("mid_rate", format_rate(trail.mid_rate)),
            ("markup", str(trail.markup_basis_points)),
            ("closed_market", UNKNOWN if closed is None else str(closed)),
        ),
        (format_rate(trail.rate), Fraction(trail.rate)),
        Rule(
            rounding.rate if rounding else "",
            f"{digits} digits",
            lambda mode: to_digits(exact, digits, mode),
        ),
    )
