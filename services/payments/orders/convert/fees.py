"""The fees of a corridor as the public API shows them, and in one sentence."""

from collections.abc import Iterator, Sequence

from caravel.payments.v1 import corridors_pb2

from services.shared.corridors import FeeSchedule, TierKind
from services.shared.corridors.prices import FeeTerms
from services.shared.money import SOURCE_CURRENCY

_KINDS = {
    None: corridors_pb2.CorridorFees.NO_TIERS,
    TierKind.MARGINAL: corridors_pb2.CorridorFees.MARGINAL,
    TierKind.WHOLE_AMOUNT: corridors_pb2.CorridorFees.WHOLE_AMOUNT,
}


def write_fees(schedule: FeeSchedule) -> corridors_pb2.CorridorFees:
    """The message of a fee schedule: its days as ISO dates, its terms as text."""
    return corridors_pb2.CorridorFees(
        description=described(schedule),
        schedule_version=schedule.version,
        effective_from=schedule.effective_from.isoformat(),
        effective_until=schedule.effective_until.isoformat() if schedule.effective_until else "",
        promotional=schedule.promotional,
        terms=_write_terms(schedule),
        tier_kind=_KINDS[schedule.tier_kind],
        tiers=[
            corridors_pb2.FeeTier(from_usd=tier.from_usd, terms=_write_terms(tier))
            for tier in schedule.tiers
        ],
    )


def described(schedule: FeeSchedule) -> str:
    """A fee schedule in one sentence."""
    if schedule.tier_kind is TierKind.MARGINAL:
        parts = _joined(list(_parts(schedule))) + _bounds(schedule)
        return f"{' plus '.join([*_flat(schedule), parts])}."
    tiers = [f"from {_usd(tier.from_usd)} on: {_price(tier)}" for tier in schedule.tiers]
    return f"{'; '.join([_price(schedule), *tiers])}."


def _parts(schedule: FeeSchedule) -> Iterator[str]:
    """The percentage of each part of the amount."""
    starts = [tier.from_usd for tier in schedule.tiers]
    yield f"{schedule.percent} % of the part up to {_usd(starts[0])}"
    for tier, end in zip(schedule.tiers, [*starts[1:], ""], strict=True):
        part = f"from {tier.from_usd} to {_usd(end)}" if end else f"above {_usd(tier.from_usd)}"
        yield f"{tier.percent} % of the part {part}"


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]])


def _price(terms: FeeTerms) -> str:
    percentage = [f"{terms.percent} % of the amount{_bounds(terms)}"] if terms.share else []
    return " plus ".join([*_flat(terms), *percentage]) or "no fee"


def _flat(terms: FeeTerms) -> list[str]:
    return [_usd(terms.flat_usd)] if terms.flat_usd else []


def _bounds(terms: FeeTerms) -> str:
    least = [f"at least {_usd(terms.minimum_usd)}"] if terms.minimum_usd else []
    most = [f"at most {_usd(terms.maximum_usd)}"] if terms.maximum_usd else []
    return f" ({' and '.join([*least, *most])})" if least or most else ""


def _write_terms(terms: FeeTerms) -> corridors_pb2.FeeTerms:
    return corridors_pb2.FeeTerms(
        flat_usd=terms.flat_usd or "",
        percent=terms.percent,
        minimum_usd=terms.minimum_usd or "",
        maximum_usd=terms.maximum_usd or "",
    )


def _usd(text: str) -> str:
    return f"{text} {SOURCE_CURRENCY}"
