"""The service as payments meets it: a real server on a real socket, made by its own assembly."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
from caravel.common.v1 import money_pb2, recipient_pb2
from caravel.providers.v1 import providers_pb2, providers_pb2_grpc

from services.providers.assembly import assemble
from services.providers.config import Config
from services.providers.domain import Operation
from services.providers.ports import Adapter
from services.shared.recipients.wire import recipient_fields
from tests.contract.lab import provider_environment

Results = dict[str, providers_pb2.OperationResult]


@asynccontextmanager
async def serving(
    url: str,
    adapters: dict[str, Adapter] | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Any]:
    """A stub of the service, whose providers are all at this address."""
    environment = provider_environment(url) | dict(variables or {})
    config = Config.load(environment)
    async with assemble(config, adapters=adapters, monotonic=monotonic) as server:
        await server.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield providers_pb2_grpc.ProviderServiceStub(channel)
        await server.stop(0)


def message(operation: Operation) -> providers_pb2.Operation:
    """The operation as payments sends it."""
    return providers_pb2.Operation(
        provider=operation.provider,
        kind=providers_pb2.OperationKind.Value(operation.kind.name),
        key=operation.key,
        amount=money_pb2.Money(
            currency_code=operation.amount.currency, amount_minor=operation.amount.amount_minor
        ),
        transaction_id=operation.transaction_id,
        reference=operation.reference,
        payment_method=operation.payment_method,
        provider_reference=operation.provider_reference,
        collection_reference=operation.collection_reference,
        recipient=recipient_pb2.Recipient(**recipient_fields(operation.recipient))
        if operation.recipient
        else None,
    )


async def execute(stub: Any, operations: Iterable[Operation]) -> Results:
    """The result of each, by key."""
    request = providers_pb2.ExecuteRequest(operations=[message(one) for one in operations])
    return {result.key: result async for result in stub.Execute(request)}


async def read_webhook(
    stub: Any,
    provider: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    allow_unsigned: bool = False,
) -> providers_pb2.WebhookResult:
    """The result of one webhook."""
    webhook = providers_pb2.IncomingWebhook(
        provider=provider, headers=headers, body=body, allow_unsigned=allow_unsigned
    )
    answer = await stub.ReadWebhooks(providers_pb2.ReadWebhooksRequest(webhooks=[webhook]))
    [result] = answer.results
    return cast("providers_pb2.WebhookResult", result)
