"""grpcio-testing, where it fits: it walks a service's descriptor and calls each RPC without a
socket. It drives plain functions only, so a facade runs each coroutine to its end; it knows no
interceptors either, so refusals of whole calls are tested over a real server, in test_servicer."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc_testing
import pytest
from caravel.fees.v1 import fees_pb2

from services.fees.servicer import FeeServicer
from services.fees.usecases import FeeCalculator
from services.shared.clock import SystemClock
from services.shared.corridors import Versions, load_corridors
from tests.corridors import corridor_files

CORRIDORS = Path(__file__).parents[3] / "deploy" / "corridors"
CHECKED = fees_pb2.CheckCorridorsRequest(files=corridor_files(CORRIDORS))
ANSWERS = {
    "CalculateFees": (fees_pb2.CalculateFeesRequest(), fees_pb2.CalculateFeesResponse()),
    "CheckCorridors": (CHECKED, fees_pb2.CheckCorridorsResponse()),
}
SERVICE = fees_pb2.DESCRIPTOR.services_by_name["FeeService"]


class Synchronous:
    """Any servicer's coroutine methods as plain functions."""

    def __init__(self, servicer: object) -> None:
        self._servicer = servicer

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        method = getattr(self._servicer, name)
        return lambda request, context: asyncio.run(method(request, context))


@pytest.mark.parametrize("method", list(SERVICE.methods), ids=lambda method: method.name)
def test_every_rpc_of_the_contract_answers_its_smallest_request(method: Any) -> None:
    corridors, clock = load_corridors(CORRIDORS, live=False), SystemClock()
    servicer = FeeServicer(Versions(corridors, lambda one: FeeCalculator(one, clock), live=False))
    server = grpc_testing.server_from_dictionary(
        {SERVICE: Synchronous(servicer)}, grpc_testing.strict_real_time()
    )

    request, answer = ANSWERS[method.name]

    call = server.invoke_unary_unary(method, (), request, None)
    response, _, code, _ = call.termination()

    assert code is grpc.StatusCode.OK
    assert response == answer
