"""The fx service behind its port: convert, call, convert. The refusal of an item is a value."""

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

import grpc
from caravel.common.v1.corridors_pb2 import CorridorsVersion
from caravel.fx.v1 import fx_pb2, fx_pb2_grpc

from services.payments.base.convert import timestamp
from services.payments.mesh.ports import RateQuery
from services.payments.mesh.versioned import Files, VersionedCalls, write_files
from services.payments.model.quote import RateLeg, RateOverride, RateTrail
from services.payments.model.timing import CORRIDORS_CALL_SECONDS, PRICING_CALL_SECONDS
from services.shared.corridors import CorridorFiles
from services.shared.errors import DomainError
from services.shared.grpc_client import call_metadata, refusals_as_errors
from services.shared.grpc_status import from_status
from services.shared.money import format_rate


class GrpcRates:
    """The port Rates over gRPC."""

    def __init__(self, channel: grpc.aio.Channel, files: Files) -> None:
        self._versioned = VersionedCalls("fx", files)
        self._stub: fx_pb2_grpc.FxServiceAsyncStub = fx_pb2_grpc.FxServiceStub(channel)

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        """See Rates.get."""
        written = [_write_query(query) for query in queries]

        async def call(corridors: CorridorsVersion) -> fx_pb2.GetRatesResponse:
            request = fx_pb2.GetRatesRequest(queries=written, corridors=corridors)
            async with refusals_as_errors("fx"):
                return await self._stub.GetRates(
                    request, timeout=PRICING_CALL_SECONDS, metadata=call_metadata()
                )

        response = await self._versioned.ask(queries, call)
        return [_read_rate(result) for result in response.results]

    async def check_corridors(self, files: CorridorFiles) -> None:
        """See CorridorCheck.check_corridors."""
        request = fx_pb2.CheckCorridorsRequest(files=write_files(files))
        async with refusals_as_errors("fx"):
            await self._stub.CheckCorridors(
                request, timeout=CORRIDORS_CALL_SECONDS, metadata=call_metadata()
            )


def _write_query(query: RateQuery) -> fx_pb2.RateQuery:
    return fx_pb2.RateQuery(
        corridor_id=query.corridor_id,
        trace_ids=query.trace_ids,
        override=_write_override(query.override) if query.override else None,
    )


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


def _write_override(override: RateOverride) -> fx_pb2.RateOverride:
    return fx_pb2.RateOverride(
        override_id=override.override_id,
        rate="" if override.rate is None else format_rate(override.rate),
        markup_basis_points=override.markup_basis_points,
        expire_time=timestamp(override.expires_at),
        maximum_deviation_basis_points=override.maximum_deviation_basis_points,
        proposed_by=override.proposed_by,
        approved_by=override.approved_by,
        reason=override.reason,
    )


def _read_override(message: fx_pb2.RateOverride) -> RateOverride:
    has_margin = message.HasField("markup_basis_points")
    return RateOverride(
        override_id=message.override_id,
        rate=Decimal(message.rate) if message.rate else None,
        markup_basis_points=message.markup_basis_points if has_margin else None,
        expires_at=message.expire_time.ToDatetime(UTC),
        maximum_deviation_basis_points=message.maximum_deviation_basis_points,
        proposed_by=message.proposed_by,
        approved_by=message.approved_by,
        reason=message.reason,
        market_mid_rate=Decimal(message.market_mid_rate),
    )
