"""Between the wire and the domain, in both directions. Nothing is checked or decided here."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from caravel.fx.v1 import fx_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.fx.domain import Leg, Override, Rate, RateQuery
from services.shared.errors import DomainError
from services.shared.grpc_status import to_status
from services.shared.money import format_rate


def to_queries(request: fx_pb2.GetRatesRequest) -> list[RateQuery]:
    """The queries of a request, in its order."""
    return [
        RateQuery(
            query.corridor_id,
            tuple(query.trace_ids),
            _to_override(query.override) if query.HasField("override") else None,
        )
        for query in request.queries
    ]


def to_response(answers: Iterable[Rate | DomainError]) -> fx_pb2.GetRatesResponse:
    """The response, with each result in its place."""
    return fx_pb2.GetRatesResponse(results=[_to_result(answer) for answer in answers])


def _to_override(message: fx_pb2.RateOverride) -> Override:
    has_margin = message.HasField("markup_basis_points")
    return Override(
        override_id=message.override_id,
        mid=_to_decimal(message.rate) if message.rate else None,
        markup_basis_points=message.markup_basis_points if has_margin else None,
        expires_at=message.expire_time.ToDatetime(UTC),
        maximum_deviation_basis_points=message.maximum_deviation_basis_points,
        proposed_by=message.proposed_by,
        approved_by=message.approved_by,
        reason=message.reason,
    )


def _to_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def _to_result(answer: Rate | DomainError) -> fx_pb2.RateResult:
    if isinstance(answer, DomainError):
        return fx_pb2.RateResult(error=to_status(answer))
    observation = answer.observation
    rate = fx_pb2.Rate(
        base_currency=answer.base_currency,
        quote_currency=answer.quote_currency,
        mid_rate=format_rate(answer.mid),
        markup_basis_points=answer.markup_basis_points,
        rate=format_rate(answer.rate),
        source=answer.source,
        synthetic=observation.synthetic,
        observed_at=_timestamp(observation.observed_at),
        fetched_at=_timestamp(observation.fetched_at),
        legs=[_to_leg(leg) for leg in observation.legs],
        payload_sha256=observation.payload_sha256,
        closed_market_basis_points=answer.closed_market_basis_points,
        override=_from_override(answer.override) if answer.override else None,
    )
    return fx_pb2.RateResult(rate=rate)


def _from_override(override: Override) -> fx_pb2.RateOverride:
    return fx_pb2.RateOverride(
        override_id=override.override_id,
        rate="" if override.mid is None else format_rate(override.mid),
        markup_basis_points=override.markup_basis_points,
        expire_time=_timestamp(override.expires_at),
        maximum_deviation_basis_points=override.maximum_deviation_basis_points,
        proposed_by=override.proposed_by,
        approved_by=override.approved_by,
        reason=override.reason,
        market_mid_rate="" if override.market_mid is None else format_rate(override.market_mid),
    )


def _to_leg(leg: Leg) -> fx_pb2.RateLeg:
    return fx_pb2.RateLeg(
        base_currency=leg.base_currency,
        quote_currency=leg.quote_currency,
        rate=format_rate(leg.rate),
    )


def _timestamp(instant: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(instant)
    return timestamp
