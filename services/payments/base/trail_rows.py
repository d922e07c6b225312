"""The inputs of a price as JSON, and back: the trail of its rate, the arithmetic of its fees, the
terms of its fee schedule and the rounding. Of a row from before an input was kept it is unknown."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import Row

from services.payments.base.values import finite, texts, whole
from services.payments.base.values import text as as_text
from services.payments.model.payment import Payment
from services.payments.model.quote import (
    FeeLine,
    Pricing,
    Quote,
    RateLeg,
    RateOverride,
    RateTrail,
    Rounding,
)


def inputs_row(quote: Quote) -> dict[str, Any]:
    """The inputs beside the terms of a quote, as far as they are known."""
    row: dict[str, Any] = {}
    if any(line.formula for line in quote.terms.fees):
        row["fee_formulas"] = [line.formula for line in quote.terms.fees]
    if quote.schedule_terms:
        row["schedule_terms"] = quote.schedule_terms
    if quote.rounding:
        row["rounding"] = _rounding_row(quote.rounding)
    return row


# All quotes of a release have one.
@lru_cache(maxsize=16)
def _rounding_row(rounding: Rounding) -> Mapping[str, Any]:
    return asdict(rounding)


def with_formulas(fees: tuple[FeeLine, ...], terms: Mapping[str, Any]) -> tuple[FeeLine, ...]:
    """The fee lines with their arithmetic, where it was kept."""
    if "fee_formulas" not in terms:
        return fees
    formulas = texts(terms["fee_formulas"])
    return tuple(
        replace(line, formula=formula) for line, formula in zip(fees, formulas, strict=True)
    )


def read_rounding(terms: Mapping[str, Any]) -> Rounding | None:
    """The rounding as it was; None where it was not kept."""
    kept = terms.get("rounding")
    if kept is None:
        return None
    return Rounding(
        fees=as_text(kept["fees"]),
        rate=as_text(kept["rate"]),
        rate_digits=whole(kept["rate_digits"]),
        payout=as_text(kept["payout"]),
    )


# Read beside the columns of `payments`, of the quote q of each.
PRICING = """
    q.trail AS pricing_trail, q.fee_schedule_version AS pricing_version,
    jsonb_build_object('fee_formulas', q.terms->'fee_formulas', 'rounding', q.terms->'rounding',
                       'schedule_terms', q.terms->'schedule_terms') AS pricing_inputs
"""


def with_pricing(payment: Payment, row: Row[Any]) -> Payment:
    """The payment with the inputs of its price, from a row that was read with PRICING; as it is
    where its quote is gone. Raises what a row raises that cannot be read."""
    if row.pricing_trail is None or row.quote_id != payment.quote_id:
        return payment
    inputs = {name: kept for name, kept in row.pricing_inputs.items() if kept is not None}
    pricing = Pricing(
        trail=read_trail(row.pricing_trail),
        fees=with_formulas(payment.terms.fees, inputs),
        fee_schedule_version=row.pricing_version,
        schedule_terms=as_text(inputs.get("schedule_terms", "")),
        rounding=read_rounding(inputs),
    )
    terms = replace(payment.terms, fees=pricing.fees)
    return replace(payment, terms=terms, pricing=pricing)


def trail_row(trail: RateTrail) -> dict[str, Any]:
    """A rate and where it comes from, as the row of a quote keeps them."""
    row: dict[str, Any] = {
        "rate": str(trail.rate),
        "mid_rate": str(trail.mid_rate),
        "markup_basis_points": trail.markup_basis_points,
        "source": trail.source,
        "synthetic": trail.synthetic,
        "observed_at": trail.observed_at.isoformat(),
        "fetched_at": trail.fetched_at.isoformat(),
        "legs": [
            {
                "base_currency": leg.base_currency,
                "quote_currency": leg.quote_currency,
                "rate": str(leg.rate),
            }
            for leg in trail.legs
        ],
    }
    if trail.payload_sha256:
        row["payload_sha256"] = trail.payload_sha256
    if trail.closed_market_basis_points is not None:
        row["closed_market_basis_points"] = trail.closed_market_basis_points
    if trail.override is not None:
        row["override"] = _override_row(trail.override)
    return row


def read_trail(row: Mapping[str, Any]) -> RateTrail:
    """The rate of a row and where it comes from."""
    closed = row.get("closed_market_basis_points")
    override = row.get("override")
    return RateTrail(
        rate=finite(Decimal(row["rate"])),
        mid_rate=finite(Decimal(row["mid_rate"])),
        markup_basis_points=row["markup_basis_points"],
        source=row["source"],
        synthetic=row["synthetic"],
        observed_at=datetime.fromisoformat(row["observed_at"]),
        fetched_at=datetime.fromisoformat(row["fetched_at"]),
        legs=tuple(RateLeg(**{**leg, "rate": Decimal(leg["rate"])}) for leg in row["legs"]),
        payload_sha256=as_text(row.get("payload_sha256", "")),
        closed_market_basis_points=None if closed is None else whole(closed),
        override=None if override is None else _read_override(override),
    )


def _override_row(override: RateOverride) -> dict[str, Any]:
    market = override.market_mid_rate
    return {
        "override_id": override.override_id,
        "rate": None if override.rate is None else str(override.rate),
        "markup_basis_points": override.markup_basis_points,
        "expires_at": override.expires_at.isoformat(),
        "maximum_deviation_basis_points": override.maximum_deviation_basis_points,
        "proposed_by": override.proposed_by,
        "approved_by": override.approved_by,
        "reason": override.reason,
        "market_mid_rate": None if market is None else str(market),
    }


def _read_override(row: Mapping[str, Any]) -> RateOverride:
    rate, markup, market = row["rate"], row["markup_basis_points"], row["market_mid_rate"]
    return RateOverride(
        override_id=as_text(row["override_id"]),
        rate=None if rate is None else finite(Decimal(as_text(rate))),
        markup_basis_points=None if markup is None else whole(markup),
        expires_at=datetime.fromisoformat(row["expires_at"]),
        maximum_deviation_basis_points=whole(row["maximum_deviation_basis_points"]),
        proposed_by=as_text(row["proposed_by"]),
        approved_by=as_text(row["approved_by"]),
        reason=as_text(row["reason"]),
        market_mid_rate=None if market is None else finite(Decimal(as_text(market))),
    )
