"""The gRPC edge: convert, call, convert. Errors, logs and timing are shared.grpc_server's."""

from caravel.fees.v1 import fees_pb2, fees_pb2_grpc

from services.fees import convert
from services.fees.usecases import FeeCalculator
from services.shared.corridors import Versions, collect


class FeeServicer(fees_pb2_grpc.FeeServiceServicer):
    """Answers caravel.fees.v1.FeeService."""

    def __init__(self, calculators: Versions[FeeCalculator]) -> None:
        self._calculators = calculators

    async def CalculateFees(  # noqa: N802  The name is the contract's.
        self, request: fees_pb2.CalculateFeesRequest, context: object
    ) -> fees_pb2.CalculateFeesResponse:
        """Prices every query; a bad one gets its own error."""
        named = request.corridors
        calculator = await self._calculators.of(named.version, collect(named.files))
        answers = calculator.calculate_fees(convert.to_queries(request))
        return convert.to_response(answers)

    async def CheckCorridors(  # noqa: N802
        self, request: fees_pb2.CheckCorridorsRequest, context: object
    ) -> fees_pb2.CheckCorridorsResponse:
        """Checks the files that payments would apply."""
        await self._calculators.check(collect(request.files))
        return fees_pb2.CheckCorridorsResponse()
