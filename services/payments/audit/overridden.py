"""Holds each quote that an override priced to the override itself: it is there, two people agreed
on it, it was in force, and the price follows from it within its bound."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.model.quote import Quote, RateOverride, RateTrail
from services.payments.model.timing import OVERRIDE_DOUBT
from services.shared.ids import Prefix, encode_id
from services.shared.money import EXACT

_AGREED = text(
    """
    SELECT o.id, o.corridor_id, o.rate, o.markup_basis_points, o.maximum_deviation_basis_points,
           o.starts_at, least(o.ends_at, o.ended_at) AS ends_at, o.proposed_by, o.approved_by,
           p.payload,
           coalesce(p.verb = 'RATE_OVERRIDE' AND p.target = o.corridor_id
                    AND p.state = 'APPROVED' AND p.proposer = o.proposed_by
                    AND p.approver = o.approved_by AND p.proposer <> p.approver
                    AND p.proposer_person <> p.approver_person, false) AS is_agreed
      FROM rate_overrides o LEFT JOIN proposals p ON p.id = o.proposal_id
    """
)


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """An override as the database has it, and whether its proposal says the same."""

    corridor_id: str
    rate: Decimal | None
    markup_basis_points: int | None
    maximum_deviation_basis_points: int
    starts_at: datetime
    # Its own end, or the one before its time.
    ends_at: datetime
    proposed_by: str
    approved_by: str
    is_agreed: bool


async def read_agreed(connection: AsyncConnection) -> Mapping[str, Agreed]:
    """All overrides by their public ids; there are few in a day."""
    found = await connection.execute(_AGREED)
    return {encode_id(Prefix.OVERRIDE, row.id): _read(row) for row in found}


def faults(quote: Quote, overrides: Mapping[str, Agreed]) -> Iterator[str]:
    """In words, each thing in which the quote's price is not by an override that was agreed; none
    where no override priced it."""
    kept = quote.trail.override
    if kept is None:
        return
    agreed = overrides.get(kept.override_id)
    if agreed is None:
        yield "no such override"
        return
    if not agreed.is_agreed:
        yield "not agreed by two"
    if agreed.corridor_id != quote.corridor_id:
        yield "another corridor"
    if not agreed.starts_at - OVERRIDE_DOUBT <= quote.created_at < agreed.ends_at + OVERRIDE_DOUBT:
        yield "not in force"
    if _terms(kept) != _terms(agreed):
        yield "other terms"
    if not _follows(quote.trail, agreed):
        yield "another price"
    if not _is_within_bound(kept.market_mid_rate, agreed):
        yield "beyond its bound"


def _terms(override: RateOverride | Agreed) -> tuple[Any, ...]:
    return (
        override.rate,
        override.markup_basis_points,
        override.maximum_deviation_basis_points,
        override.proposed_by,
        override.approved_by,
    )


def _follows(trail: RateTrail, agreed: Agreed) -> bool:
    if agreed.rate is not None:
        return trail.mid_rate == agreed.rate
    return (
        trail.mid_rate == (trail.override and trail.override.market_mid_rate)
        and trail.margin_basis_points == agreed.markup_basis_points
    )


def _is_within_bound(market: Decimal | None, agreed: Agreed) -> bool:
    most = agreed.maximum_deviation_basis_points
    if agreed.rate is None:
        return 0 <= (agreed.markup_basis_points or 0) <= most
    if market is None:
        return False
    distance = abs(EXACT.subtract(agreed.rate, market))
    return EXACT.multiply(distance, Decimal(10_000)) <= EXACT.multiply(Decimal(most), market)


def _read(row: Any) -> Agreed:
    return Agreed(
        corridor_id=row.corridor_id,
        rate=row.rate,
        markup_basis_points=row.markup_basis_points,
        maximum_deviation_basis_points=row.maximum_deviation_basis_points,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        is_agreed=row.is_agreed and _says_the_same(row),
    )


def _says_the_same(row: Any) -> bool:
    """Whether the payload that two people read has this rate or margin."""
    try:
        arguments = json.loads(row.payload)["arguments"]
        rate, markup = arguments["rate"], arguments["markup_basis_points"]
        same_rate = row.rate == (None if rate is None else Decimal(rate))
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return False
    return same_rate and bool(row.markup_basis_points == markup)
