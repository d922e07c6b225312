"""Between the wire and the domain, in both directions. Nothing is checked or decided here."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from caravel.fx.v1 import fx_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.fx.domain import Leg, Rate, RateQuery
from services.shared.errors import DomainError
from services.shared.grpc_status import to_status
from services.shared.money import format_rate


def to_queries(request: fx_pb2.GetRatesRequest) -> list[RateQuery]:
    """The queries of a request, in its order."""
    return [RateQuery(query.corridor_id, tuple(query.trace_ids)) for query in request.queries]


def to_response(
    queries: Iterable[RateQuery], answers: Mapping[str, Rate | DomainError]
) -> fx_pb2.GetRatesResponse:
    """The response with one result per query, in their order."""
    results = {corridor_id: _to_result(answer) for corridor_id, answer in answers.items()}
    return fx_pb2.GetRatesResponse(results=[results[query.corridor_id] for query in queries])


def _to_result(answer: Rate | DomainError) -> fx_pb2.RateResult:
    if isinstance(answer, DomainError):
        return fx_pb2.RateResult(error=to_status(answer))
    observation = answer.observation
    rate = fx_pb2.Rate(
        base_currency=answer.base_currency,
        quote_currency=answer.quote_currency,
        mid_rate=format_rate(observation.mid),
        markup_basis_points=answer.markup_basis_points,
        rate=format_rate(answer.rate),
        source=answer.source,
        synthetic=observation.synthetic,
        observed_at=_timestamp(observation.observed_at),
        fetched_at=_timestamp(observation.fetched_at),
        legs=[_to_leg(leg) for leg in observation.legs],
        payload_sha256=observation.payload_sha256,
        closed_market_basis_points=answer.closed_market_basis_points,
    )
    return fx_pb2.RateResult(rate=rate)


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
