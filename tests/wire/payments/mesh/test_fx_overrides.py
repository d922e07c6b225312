"""The client of fx: an override goes with its query, and comes back with the rate that it made."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import grpc
import pytest
from caravel.fx.v1 import fx_pb2, fx_pb2_grpc

from services.payments.mesh.fx import GrpcRates
from services.payments.mesh.ports import RateQuery
from services.payments.model.quote import RateTrail
from services.shared.grpc_server import GrpcServer
from tests.fakes import no_files
from tests.makers import make_override


class Fx(fx_pb2_grpc.FxServiceServicer):
    """Answers with what it was sent."""

    async def GetRates(self, request: Any, context: Any) -> Any:  # noqa: N802
        results = []
        for query in request.queries:
            rate = fx_pb2.Rate(rate="94.48", mid_rate="94.9552")
            if query.HasField("override"):
                rate.override.CopyFrom(query.override)
                rate.override.market_mid_rate = "95"
            results.append(fx_pb2.RateResult(rate=rate))
        return fx_pb2.GetRatesResponse(results=results)


@pytest.mark.parametrize(
    ("rate", "margin"), [(Decimal("94.955200000000000001"), None), (None, 0), (None, 25)]
)
async def test_an_override_goes_with_its_query_and_comes_back_with_its_rate(
    rate: Decimal | None, margin: int | None
) -> None:
    override = make_override(rate=rate, markup_basis_points=margin)
    market = RateQuery(corridor_id="us-ng", corridors_version="v1")
    queries = [replace(market, override=override), market]
    server = GrpcServer()
    server.add(fx_pb2_grpc.add_FxServiceServicer_to_server, Fx(), "caravel.fx.v1.FxService")
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        overridden, plain = await GrpcRates(channel, no_files).get(queries)
    await server.stop(0)

    assert isinstance(overridden, RateTrail)
    assert isinstance(plain, RateTrail)
    assert overridden.override == replace(override, market_mid_rate=Decimal(95))
    assert plain.override is None
