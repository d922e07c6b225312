"""Prices an order in the process itself, with Decimal: the corridor's fees, and the rate with its
markup. Corridors and rates are the mesh's own data, read once."""

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

from currency_converter import CurrencyConverter  # type: ignore[import-untyped]

from deploy import CORRIDORS, ROOT
from services.shared.money import exponent

CENT = Decimal("0.01")
RATE_DIGITS = Context(prec=18, rounding=ROUND_HALF_EVEN)
SYNTHETIC = ROOT / "services" / "fx" / "sources" / "synthetic_rates.toml"


class Refused(Exception):
    """There is no price for the order; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corridor:
    """A corridor and its rate, ready for use."""

    id: str
    currency: str
    minimum: Decimal
    maximum: Decimal
    onramps: list[str]
    offramps: list[str]
    lifetime_seconds: int
    late_funds: dict[str, int]
    version: str
    flat: Decimal
    share: Decimal
    smallest: Decimal | None
    largest: Decimal | None
    tiers: list[dict[str, Any]]
    marginal: bool
    markup: int
    mid: Decimal
    rate: Decimal
    digits: int
    trail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Price:
    """The fees and the payout of an amount."""

    fees: list[tuple[str, Decimal]]
    fee: Decimal
    net: Decimal
    payout: Decimal


def price(amount: Decimal, corridor: Corridor) -> Price:
    """The price of an amount. Raises Refused."""
    if not corridor.minimum <= amount <= corridor.maximum:
        raise Refused("the amount is outside of the corridor's limits")
    terms = _terms(corridor, amount)
    flat = terms["flat"]
    share = _share(corridor, amount, terms["share"]).quantize(CENT, ROUND_HALF_UP)
    if terms["smallest"]:
        share = max(share, terms["smallest"])
    if terms["largest"]:
        share = min(share, terms["largest"])
    fees = [(name, part) for name, part in (("flat", flat), ("percentage", share)) if part]
    fee = flat + share
    net = amount - fee
    if net <= 0:
        raise Refused("nothing is left after the fees")
    with localcontext(prec=60):
        payout = (net * corridor.rate).quantize(Decimal(1).scaleb(-corridor.digits))
    return Price(fees, fee, net, payout)


def _share(corridor: Corridor, amount: Decimal, share: Decimal) -> Decimal:
    if not corridor.marginal:
        return amount * share
    total = amount * share
    for tier in corridor.tiers:
        above = max(amount - tier["from"], Decimal(0))
        total += above * (tier["share"] - share)
        share = tier["share"]
    return total


def _terms(corridor: Corridor, amount: Decimal) -> dict[str, Any]:
    reached = [tier for tier in corridor.tiers if tier["from"] <= amount]
    if reached and not corridor.marginal:
        return reached[-1]
    return {
        "flat": corridor.flat,
        "share": corridor.share,
        "smallest": corridor.smallest,
        "largest": corridor.largest,
    }


def load_corridors() -> dict[str, Corridor]:
    """Every corridor by its currency, with the rate of the newest day."""
    converter = CurrencyConverter(decimal=True)
    synthetic = tomllib.loads(SYNTHETIC.read_text())
    files = [tomllib.loads(path.read_text()) for path in CORRIDORS.glob("*.toml")]
    return {one["destination"]["currency"]: _corridor(one, converter, synthetic) for one in files}


def _corridor(file: dict[str, Any], converter: Any, synthetic: dict[str, Any]) -> Corridor:
    currency = file["destination"]["currency"]
    today = datetime.now(UTC).date()
    fees = [one for one in file["fees"] if one["effective_from"] <= today][-1]
    markup = file["fx"]["markup_basis_points"]
    mid, legs, source, observed = _observe(currency, file["fx"]["sources"], converter, synthetic)
    rate = RATE_DIGITS.multiply(mid, Decimal(10_000 - markup) / 10_000)
    return Corridor(
        id=file["id"],
        currency=currency,
        minimum=Decimal(file["limits"]["minimum_usd"]),
        maximum=Decimal(file["limits"]["maximum_usd"]),
        onramps=file["providers"]["onramps"],
        offramps=file["providers"]["offramps"],
        lifetime_seconds=file["quote"]["lifetime_seconds"],
        late_funds=file["late_funds"],
        version=fees["version"],
        **_fee_terms(fees),
        tiers=[
            {"from": Decimal(tier["from_usd"]), **_fee_terms(tier)}
            for tier in fees.get("tiers", ())
        ],
        marginal=fees.get("tier_kind") == "marginal",
        markup=markup,
        mid=mid,
        rate=rate,
        digits=exponent(currency),
        trail={
            "rate": str(rate),
            "mid_rate": str(mid),
            "markup_basis_points": markup,
            "source": source,
            "synthetic": source == "synthetic",
            "observed_at": observed,
            "fetched_at": datetime.now(UTC).isoformat(),
            "legs": legs,
        },
    )


def _fee_terms(terms: dict[str, Any]) -> dict[str, Any]:
    smallest, largest = terms.get("minimum_usd"), terms.get("maximum_usd")
    return {
        "flat": Decimal(terms.get("flat_usd", 0)),
        "share": Decimal(terms.get("percent", 0)) / 100,
        "smallest": Decimal(smallest) if smallest else None,
        "largest": Decimal(largest) if largest else None,
    }


def _observe(
    currency: str, sources: list[str], converter: Any, synthetic: dict[str, Any]
) -> tuple[Decimal, list[dict[str, str]], str, str]:
    if "ecb" not in sources:
        mid = Decimal(synthetic["usd"][currency])
        legs = [{"base_currency": "USD", "quote_currency": currency, "rate": str(mid)}]
        return mid, legs, "synthetic", f"{synthetic['observed_on']}T00:00:00+00:00"
    day = min(converter.bounds[code].last_date for code in ("USD", currency))
    per_euro = {code: converter.convert(1, "EUR", code, day) for code in ("USD", currency)}
    legs = [
        {"base_currency": "EUR", "quote_currency": code, "rate": str(rate)}
        for code, rate in per_euro.items()
    ]
    mid = RATE_DIGITS.divide(per_euro[currency], per_euro["USD"])
    return mid, legs, "ecb", f"{day}T00:00:00+00:00"
