"""The exchange positions as operators see them."""

from decimal import Decimal

from caravel.payments.v1 import corridors_pb2, exposure_pb2

from services.payments.base.convert import for_message, timestamp
from services.payments.base.view import trail_fields
from services.payments.model.exposure import Exposure, Position
from services.payments.model.quote import RateTrail
from services.shared.money import EXACT, SOURCE_CURRENCY, decimal_text, exponent


def write_exposure(exposure: Exposure) -> exposure_pb2.Exposure:
    """All positions of one moment."""
    return exposure_pb2.Exposure(
        positions=[_write_position(one) for one in exposure.positions],
        unrealised_result_usd=_signed(exposure.result_minor, SOURCE_CURRENCY),
        currencies_without_rate=[
            one.currency for one in exposure.positions if one.worth_minor is None
        ],
        seen_at=timestamp(exposure.seen_at),
    )


def _write_position(position: Position) -> exposure_pb2.CurrencyPosition:
    return exposure_pb2.CurrencyPosition(
        currency=position.currency,
        position=_signed(position.amount_minor, position.currency),
        worth_usd=_signed(position.worth_minor, SOURCE_CURRENCY),
        rate_trail=_write_trail(position.trail) if position.trail else None,
        maximum_owed=str(position.maximum_owed) if position.maximum_owed else "",
        limit_reached=position.is_limit_reached,
    )


def _write_trail(trail: RateTrail) -> corridors_pb2.RateTrail:
    return corridors_pb2.RateTrail(**for_message(trail_fields(trail)))


def _signed(minor: int | None, currency: str) -> str:
    """Decimal text, with a sign below nothing; empty for an unknown amount."""
    if minor is None:
        return ""
    digits = exponent(currency)
    return decimal_text(Decimal(minor).scaleb(-digits, context=EXACT), digits)
