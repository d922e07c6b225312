"""The fx service behind its port: convert, call, convert. The refusal of an item is a value."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

import grpc
from caravel.fx.v1 import fx_pb2, fx_pb2_grpc

from services.payments.mesh.ports import RateQuery
from services.payments.model.quote import RateLeg, RateOverride, RateTrail
from services.payments.model.timing import PRICING_CALL_SECONDS
from services.shared.errors import DomainError
from services.shared.grpc_client import call_metadata, refusals_as_errors
from services.shared.grpc_status import from_status


class GrpcRates:
    """The port Rates over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: fx_pb2_grpc.FxServiceAsyncStub = fx_pb2_grpc.FxServiceStub(channel)

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        """See Rates.get."""
        request = fx_pb2.GetRatesRequest(
            queries=[
                fx_pb2.RateQuery(corridor_id=query.corridor_id, trace_ids=query.trace_ids)
                for query in queries
            ]
        )
        async with refusals_as_errors("fx"):
            response = await self._stub.GetRates(
                request, timeout=PRICING_CALL_SECONDS, metadata=call_metadata()
            )
        return [_read_rate(result) for result in response.results]


def _read_rate(result: fx_pb2.RateResult) -> RateTrail | DomainError:
    if result.HasField("error"):
        return from_status(result.error)
    rate = result.rate
    return RateTrail(
        rate=Decimal(rate.rate),
        mid_rate=Decimal(rate.mid_rate),
        markup_basis_points=rate.markup_basis_points,
        source=rate.source,
        synthetic=rate.synthetic,
        observed_at=rate.observed_at.ToDatetime(UTC),
        fetched_at=rate.fetched_at.ToDatetime(UTC),
        legs=tuple(
            RateLeg(
                base_currency=leg.base_currency,
                quote_currency=leg.quote_currency,
                rate=Decimal(leg.rate),
            )
            for leg in rate.legs
        ),
        payload_sha256=rate.payload_sha256,
        closed_market_basis_points=rate.closed_market_basis_points,
        override=_read_override(rate.override) if rate.HasField("override") else None,
    )


def _read_override(override: fx_pb2.RateOverride) -> RateOverride:
    return RateOverride(
        override_id=override.override_id,
        rate=Decimal(override.rate) if override.rate else None,
        markup_basis_points=(
            override.markup_basis_points if override.HasField("markup_basis_points") else None
        ),
        expires_at=(
            override.expire_time.ToDatetime(UTC) if override.HasField("expire_time") else None
        ),
    )
