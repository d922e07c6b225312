"""The gRPC edge: convert, call, convert. Errors, logs and timing are shared.grpc_server's."""

from caravel.fx.v1 import fx_pb2, fx_pb2_grpc

from services.fx import convert
from services.fx.usecases import Rates
from services.shared.corridors import Versions, collect


class FxServicer(fx_pb2_grpc.FxServiceServicer):
    """Answers caravel.fx.v1.FxService."""

    def __init__(self, rates: Versions[Rates]) -> None:
        self._rates = rates

    async def GetRates(  # noqa: N802  The name is the contract's.
        self, request: fx_pb2.GetRatesRequest, context: object
    ) -> fx_pb2.GetRatesResponse:
        """Gives every rate with its trail; a bad query gets its own error."""
        named = request.corridors
        rates = await self._rates.of(named.version, collect(named.files))
        queries = convert.to_queries(request)
        answers = await rates.get_rates(queries)
        return convert.to_response(
            rates.overridden(query, answers[query.corridor_id]) for query in queries
        )

    async def CheckCorridors(  # noqa: N802
        self, request: fx_pb2.CheckCorridorsRequest, context: object
    ) -> fx_pb2.CheckCorridorsResponse:
        """Checks the files that payments would apply."""
        await self._rates.check(collect(request.files))
        return fx_pb2.CheckCorridorsResponse()
