"""The breakers of the providers, as a replica of the providers service has them."""

from collections.abc import Sequence

from caravel.providers.v1 import breakers_pb2, providers_pb2_grpc

from services.payments.mesh.ports import BreakerState
from services.payments.model.attempt import Step
from services.payments.model.timing import CORRIDORS_CALL_SECONDS
from services.shared.grpc_client import call_metadata, refusals_as_errors


async def list_breakers(
    stub: "providers_pb2_grpc.ProviderServiceAsyncStub",
) -> Sequence[BreakerState]:
    """Those of steps that this version knows. Raises Unavailable."""
    request = breakers_pb2.ListBreakersRequest()
    async with refusals_as_errors("providers"):
        listed = await stub.ListBreakers(
            request, timeout=CORRIDORS_CALL_SECONDS, metadata=call_metadata()
        )
    return tuple(
        BreakerState(
            provider=one.provider,
            step=Step(one.kind),
            state=breakers_pb2.Breaker.State.Name(one.state),
            lasts=one.lasts.ToTimedelta(),
        )
        for one in listed.breakers
        if one.kind in set(Step)
    )
