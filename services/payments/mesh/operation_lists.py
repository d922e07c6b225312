"""The lists of our operations that providers have, over gRPC."""

from collections.abc import Sequence
from datetime import UTC, datetime

import grpc
from caravel.providers.v1 import providers_pb2, providers_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.mesh.ports import ListedOperation, OperationPage
from services.payments.model.attempt import Step
from services.payments.model.timing import LISTING_CALL_SECONDS, PRICING_CALL_SECONDS
from services.shared.grpc_client import call_metadata, refusals_as_errors

_KINDS = {step: providers_pb2.OperationKind.Value(step.name) for step in Step}
_STEPS = {kind: step for step, kind in _KINDS.items()}


class GrpcOperationLists:
    """The port OperationLists over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: providers_pb2_grpc.ProviderServiceAsyncStub = (
            providers_pb2_grpc.ProviderServiceStub(channel)
        )

    async def sources(self) -> Sequence[tuple[str, Step]]:
        """See OperationLists.sources."""
        async with refusals_as_errors("providers"):
            listed = await self._stub.ListProviders(
                providers_pb2.ListProvidersRequest(),
                timeout=PRICING_CALL_SECONDS,
                metadata=call_metadata(),
            )
        return [
            (record.provider, _STEPS[kind])
            for record in listed.providers
            if record.lists_operations
            for kind in record.kinds
            if kind in _STEPS
        ]

    async def read(
        self,
        provider: str,
        step: Step,
        *,
        since: datetime,
        page: str = "",
        expected_keys: Sequence[str] = (),
    ) -> OperationPage:
        """See OperationLists.read."""
        begun = Timestamp()
        begun.FromDatetime(since)
        request = providers_pb2.ListOperationsRequest(
            provider=provider,
            kind=_KINDS[step],
            since=begun,
            page=page,
            expected_keys=expected_keys,
        )
        async with refusals_as_errors("providers"):
            response = await self._stub.ListOperations(
                request, timeout=LISTING_CALL_SECONDS, metadata=call_metadata()
            )
        return OperationPage(
            operations=tuple(_read(one) for one in response.operations),
            next_page=response.next_page,
        )


def _read(one: providers_pb2.ListedOperation) -> ListedOperation:
    made_at = one.create_time.ToDatetime(UTC) if one.HasField("create_time") else None
    return ListedOperation(
        key=one.key,
        provider_reference=one.provider_reference,
        created_at=made_at,
        recovery=one.recovery,
    )
