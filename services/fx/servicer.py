"""The gRPC edge: convert, call, convert. Errors, logs and timing are shared.grpc_server's."""

from caravel.fx.v1 import fx_pb2, fx_pb2_grpc

from services.fx import convert
from services.fx.usecases import Rates


class FxServicer(fx_pb2_grpc.FxServiceServicer):
    """Answers caravel.fx.v1.FxService."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates

    async def GetRates(  # noqa: N802  The name is the contract's.
        self, request: fx_pb2.GetRatesRequest, context: object
    ) -> fx_pb2.GetRatesResponse:
        """Gives every rate with its trail; a bad query gets its own error."""
        queries = convert.to_queries(request)
        answers = await self._rates.get_rates(queries)
        return convert.to_response(
            self._rates.overridden(query, answers[query.corridor_id]) for query in queries
        )
