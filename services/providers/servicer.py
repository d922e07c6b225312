"""The gRPC edge: convert, call, convert. Errors, logs and timing are shared.grpc_server's."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from functools import partial

from caravel.providers.v1 import (
    breakers_pb2,
    deployments_pb2,
    disputes_pb2,
    providers_pb2,
    providers_pb2_grpc,
)

from services.providers import convert
from services.providers.corridors import OpenAdapters
from services.providers.domain import UNANSWERED, Operation, OperationResult
from services.providers.usecases import Providers
from services.shared.corridors import collect

Work = Callable[[list[Operation], timedelta | None], AsyncGenerator[OperationResult, None]]


class ProviderServicer(providers_pb2_grpc.ProviderServiceServicer):
    """Answers caravel.providers.v1.ProviderService."""

    def __init__(self, providers: Providers, opened: OpenAdapters) -> None:
        self._providers = providers
        self._opened = opened

    async def Execute(  # noqa: N802  The name is the contract's.
        self, request: providers_pb2.ExecuteRequest, context: object
    ) -> AsyncIterator[providers_pb2.OperationResult]:
        """Sends each operation and streams each result as it is known."""
        execute = partial(self._providers.execute, send_before=convert.to_send_before(request))
        async for answer in _answers(request, execute):
            yield answer

    async def LookUp(  # noqa: N802
        self, request: providers_pb2.LookUpRequest, context: object
    ) -> AsyncIterator[providers_pb2.OperationResult]:
        """Asks what became of each operation and streams the answers."""
        async for answer in _answers(request, self._providers.look_up):
            yield answer

    async def ReadWebhooks(  # noqa: N802
        self, request: providers_pb2.ReadWebhooksRequest, context: object
    ) -> providers_pb2.ReadWebhooksResponse:
        """Verifies each webhook, says what it means, or why it is refused."""
        return convert.from_events(
            self._providers.read_webhooks(
                (one.provider, convert.to_webhook(one)) for one in request.webhooks
            )
        )

    async def ListEvents(  # noqa: N802
        self, request: providers_pb2.ListEventsRequest, context: object
    ) -> providers_pb2.ListEventsResponse:
        """Reads one page of the events that a provider keeps."""
        listed = await self._providers.listing.list_events(
            request.provider, convert.to_since(request), request.page
        )
        return convert.from_page(listed)

    async def ListOperations(  # noqa: N802
        self, request: providers_pb2.ListOperationsRequest, context: object
    ) -> providers_pb2.ListOperationsResponse:
        """Reads one page of our operations as a provider has them."""
        query = convert.to_operation_query(request)
        listed = await self._providers.operation_lists.read(request.provider, query)
        return convert.from_operation_page(listed)

    async def LookUpDispute(  # noqa: N802
        self, request: disputes_pb2.LookUpDisputeRequest, context: object
    ) -> disputes_pb2.LookUpDisputeResponse:
        """Asks how a claim stands."""
        dispute = await self._providers.claims.look_up(request.provider, request.provider_reference)
        return convert.from_claim(dispute)

    async def ResolveRecipient(  # noqa: N802
        self, request: providers_pb2.ResolveRecipientRequest, context: object
    ) -> providers_pb2.ResolveRecipientResponse:
        """Asks for an account's holder."""
        recipient = convert.to_recipient(request)
        if recipient is None:
            return convert.from_holder(UNANSWERED)
        holder = await self._providers.resolving.resolve(
            request.providers, recipient, request.currency_code, convert.to_allowed(request)
        )
        return convert.from_holder(holder)

    async def ListProviders(  # noqa: N802
        self, request: providers_pb2.ListProvidersRequest, context: object
    ) -> providers_pb2.ListProvidersResponse:
        """Lists every provider with what it is capable of, sorted by name."""
        return providers_pb2.ListProvidersResponse(
            providers=[
                convert.from_capabilities(name, adapter.capabilities)
                for name, adapter in sorted(self._providers.adapters.items())
            ],
            deployment=deployments_pb2.Deployment.Value(self._providers.deployment.name),
        )

    async def ListBreakers(  # noqa: N802
        self, request: breakers_pb2.ListBreakersRequest, context: object
    ) -> breakers_pb2.ListBreakersResponse:
        """Lists the breakers as they are now."""
        return convert.from_breakers(self._providers.breakers())

    async def CheckCorridors(  # noqa: N802
        self, request: providers_pb2.CheckCorridorsRequest, context: object
    ) -> providers_pb2.CheckCorridorsResponse:
        """Checks the files that payments would apply."""
        await self._opened.check(collect(request.files))
        return providers_pb2.CheckCorridorsResponse()


async def _answers(
    request: providers_pb2.ExecuteRequest | providers_pb2.LookUpRequest, work: Work
) -> AsyncIterator[providers_pb2.OperationResult]:
    operations, malformed = convert.to_operations(request.operations)
    for result in malformed:
        yield convert.from_result(result)
    # Closed on every way out, so that a caller who went away leaves no operation running.
    async with aclosing(work(operations, convert.to_timeout(request))) as results:
        async for result in results:
            yield convert.from_result(result)
