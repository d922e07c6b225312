"""The derivation of a price, step by step."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from services.payments.model.explanation.arithmetic import rounded, shown
from services.payments.model.explanation.fees import fee_steps
from services.payments.model.explanation.rates import MARKET, rate_steps
from services.payments.model.explanation.step import (
    Inputs,
    Result,
    Rule,
    Step,
    differs,
    found,
    fraction,
    rounded_step,
    sum_step,
)
from services.payments.model.payment import Payment
from services.payments.model.quote import FixedSide, Pricing, Quote, Terms
from services.shared.money import exponent, format_rate

# More than any of the figures is shown with.
COMPARED_DECIMALS = 8


def explain_quote(quote: Quote) -> tuple[Step, ...]:
    """Recomputes each figure of a quote from its stored inputs, in the order of the computation."""
    route = quote.conditions.route if quote.conditions else None
    decimals = route.payout_decimals if route else None
    return _whole(_figures(quote.terms, quote.pricing, decimals))


def explain_payment(payment: Payment, quote: Quote | None) -> tuple[Step, ...]:
    """The derivation of a payment by the quote that priced it last; None where that cannot be
    read, so that its inputs are unknown."""
    pricing = quote.pricing if quote else None
    steps = _whole(_figures(payment.terms, pricing, payment.route.payout_decimals))
    return (*steps, *(_taken_over(payment.terms, quote) if quote else ()))


def _whole(steps: Iterator[Step]) -> tuple[Step, ...]:
    """All of the steps; of a damaged row, as a rate of zero, those before the one that nothing
    comes of."""
    made: list[Step] = []
    try:
        made.extend(steps)
    except (ValueError, ArithmeticError) as error:
        made.append(differs("price", f"it cannot be recomputed: {error}", (), ""))
    return tuple(made)


def _figures(terms: Terms, pricing: Pricing | None, decimals: int | None) -> Iterator[Step]:
    yield from rate_steps(terms, pricing)
    yield from fee_steps(terms, pricing)
    lines = tuple((line.name, str(line.amount)) for line in terms.fees)
    exact = sum((fraction(line.amount) for line in terms.fees), start=Fraction(0))
    yield sum_step("fee_usd", " + ".join(name for name, _ in lines) or "0", lines, exact, terms.fee)
    parts = (("amount_usd", str(terms.amount)), ("fee_usd", str(terms.fee)))
    net = fraction(terms.amount) - fraction(terms.fee)
    yield sum_step("net_usd", "amount_usd - fee_usd", parts, net, terms.net)
    yield _payout_step(terms, pricing, decimals)
    yield from _cost_steps(terms)


def _payout_step(terms: Terms, pricing: Pricing | None, decimals: int | None) -> Step:
    currency = terms.payout.currency
    places = exponent(currency) if decimals is None else decimals
    exact = fraction(terms.net) * Fraction(terms.rate)
    rounding = pricing.rounding if pricing else None
    if terms.fixed_side is FixedSide.DESTINATION:
        return rounded_step(
            "net_usd for payout_amount",
            "the fewest cents whose net_usd x fx_rate is payout_amount or more",
            (("payout_amount", str(terms.payout)), ("fx_rate", format_rate(terms.rate))),
            (str(terms.net), fraction(terms.net)),
            Rule(
                rounding.payout if rounding else "",
                f"{places} decimals",
                lambda mode: _fewest(terms, places, mode),
            ),
            decimals=exponent(terms.net.currency),
        )
    return rounded_step(
        "payout_amount",
        "net_usd x fx_rate",
        (("net_usd", str(terms.net)), ("fx_rate", format_rate(terms.rate))),
        (str(terms.payout), fraction(terms.payout)),
        Rule(
            rounding.payout if rounding else "",
            f"{places} decimals",
            lambda mode: rounded(exact, places, mode),
        ),
        decimals=exponent(currency),
    )


def _fewest(terms: Terms, places: int, mode: str) -> Fraction:
    """The smallest net that comes to the payout: the first one above half a step below it, or the
    one at it, where that is rounded up."""
    payout, rate = fraction(terms.payout), Fraction(terms.rate)
    cents = 10 ** exponent(terms.net.currency)
    below = int((payout - Fraction(1, 2 * 10**places)) / rate * cents)
    tried = (Fraction(one, cents) for one in range(max(below, 1), below + 2))
    return next((net for net in tried if rounded(net * rate, places, mode) >= payout), Fraction(0))


def _cost_steps(terms: Terms) -> Iterator[Step]:
    """The figures that are shown and not kept: computed here once more."""
    amount, payout = fraction(terms.amount), fraction(terms.payout)
    cost = amount - payout / Fraction(terms.market_mid_rate)
    inputs: Inputs = (("amount_usd", str(terms.amount)), ("payout_amount", str(terms.payout)))
    name = "mid_rate" if terms.replaced_mid_rate is None else MARKET
    with_mid: Inputs = (*inputs, (name, format_rate(terms.market_mid_rate)))
    shown_cost, formula = terms.cost, f"amount_usd - payout_amount / {name}"
    yield _shown_step(
        "all_in_rate", "payout_amount / amount_usd", inputs, payout / amount, shown_cost.all_in_rate
    )
    yield _shown_step("cost", formula, with_mid, cost, shown_cost.amount)
    percent = cost * 100 / amount
    yield _shown_step(
        "cost_percent", f"100 x ({formula}) / amount_usd", with_mid, percent, shown_cost.percent
    )


def _shown_step(
    figure: str, formula: str, inputs: Inputs, exact: Fraction, figure_shown: Decimal
) -> Step:
    near = rounded(exact, COMPARED_DECIMALS, "half_even")
    stored = rounded(Fraction(figure_shown), COMPARED_DECIMALS, "half_even")
    return Step(
        figure=figure,
        formula=f"{formula}, to {COMPARED_DECIMALS} decimals",
        inputs=inputs,
        result=shown(near),
        stored=shown(stored),
        finding=found(stored, [near]),
    )


def _taken_over(terms: Terms, quote: Quote) -> Iterator[Step]:
    """The figures of a payment, which are those of its quote."""
    of_quote = _agreed(quote.terms)
    for figure, stored in _agreed(terms).items():
        yield Step(
            figure=f"payment {figure}",
            formula="as the quote has it",
            inputs=(("quote", quote.quote_id),),
            result=of_quote[figure],
            stored=stored,
            finding=Result.AGREES if stored == of_quote[figure] else Result.DIFFERS,
        )


def _agreed(terms: Terms) -> Mapping[str, str]:
    return {
        "amount_usd": str(terms.amount),
        "fee_usd": str(terms.fee),
        "net_usd": str(terms.net),
        "fixed_side": terms.fixed_side,
        "mid_rate": format_rate(terms.mid_rate),
        MARKET: format_rate(terms.market_mid_rate),
        "margin_basis_points": str(terms.markup_basis_points),
        "fx_rate": format_rate(terms.rate),
        "payout_amount": f"{terms.payout} {terms.payout.currency}",
    }
