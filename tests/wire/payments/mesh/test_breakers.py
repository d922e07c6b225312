"""The question for the breakers of providers: those of steps that are known here, or no answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest
from caravel.providers.v1 import breakers_pb2, providers_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from services.payments.mesh.ports import BreakerState
from services.payments.mesh.providers import GrpcProviders
from services.payments.model.attempt import Step
from services.shared.errors import Unavailable
from services.shared.grpc_server import GrpcServer

OPEN = breakers_pb2.Breaker(
    provider="wise",
    kind="payout",
    state=breakers_pb2.Breaker.OPEN,
    lasts=Duration(seconds=40),
)
# Of a later release.
OF_ANOTHER_KIND = breakers_pb2.Breaker(provider="wise", kind="claim")


class Providers(providers_pb2_grpc.ProviderServiceServicer):
    """Lists these breakers, or is away where there are none."""

    def __init__(self, *breakers: breakers_pb2.Breaker) -> None:
        self._breakers = breakers

    async def ListBreakers(self, request: Any, context: Any) -> Any:  # noqa: N802
        if not self._breakers:
            raise Unavailable("away")
        return breakers_pb2.ListBreakersResponse(breakers=self._breakers)


@asynccontextmanager
async def _answering(*breakers: breakers_pb2.Breaker) -> AsyncIterator[GrpcProviders]:
    server = GrpcServer()
    register = providers_pb2_grpc.add_ProviderServiceServicer_to_server
    server.add(register, Providers(*breakers), "caravel.providers.v1.ProviderService")
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield GrpcProviders(channel)
    await server.stop(0)


async def test_each_breaker_has_its_step_its_state_and_how_long_it_lasts() -> None:
    async with _answering(OPEN, OF_ANOTHER_KIND) as providers:
        assert await providers.breakers() == (
            BreakerState(
                provider="wise", step=Step.PAYOUT, state="OPEN", lasts=timedelta(seconds=40)
            ),
        )


async def test_without_an_answer_nothing_is_said_of_them() -> None:
    async with _answering() as providers:
        with pytest.raises(Unavailable):
            await providers.breakers()
