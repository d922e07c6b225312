"""The gRPC edge: convert, call, convert. Errors, logs and timing are shared.grpc_server's."""

from caravel.fees.v1 import fees_pb2, fees_pb2_grpc

from services.fees import convert
from services.fees.usecases import FeeCalculator


class FeeServicer(fees_pb2_grpc.FeeServiceServicer):
    """Answers caravel.fees.v1.FeeService."""

    def __init__(self, calculator: FeeCalculator) -> None:
        self._calculator = calculator

    async def CalculateFees(  # noqa: N802  The name is the contract's.
        self, request: fees_pb2.CalculateFeesRequest, context: object
    ) -> fees_pb2.CalculateFeesResponse:
        """Prices every query; a bad one gets its own error."""
        answers = self._calculator.calculate_fees(convert.to_queries(request))
        return convert.to_response(answers)
