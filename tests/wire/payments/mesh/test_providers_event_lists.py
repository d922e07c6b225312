"""A page of a provider's list of events, as the client of providers reads it."""

from datetime import UTC, datetime
from typing import Any

import grpc
from caravel.providers.v1 import providers_pb2, providers_pb2_grpc
from google.protobuf import timestamp_pb2

from services.payments.mesh.ports import ProviderEvent
from services.payments.mesh.providers import GrpcProviders
from services.shared.errors import Invalid
from services.shared.grpc_server import GrpcServer
from services.shared.grpc_status import to_status


class Listing(providers_pb2_grpc.ProviderServiceServicer):
    """Lists an event that it can read and one that it cannot."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    async def ListEvents(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        event = providers_pb2.WebhookEvent(event_id="evt_1", event_type="review.opened")
        read = providers_pb2.AcceptedWebhook(event=event, signed=True)
        return providers_pb2.ListEventsResponse(
            events=[
                providers_pb2.ListedEvent(
                    result=providers_pb2.WebhookResult(read=read),
                    body=b"{}",
                    create_time=timestamp_pb2.Timestamp(seconds=7),
                ),
                providers_pb2.ListedEvent(
                    result=providers_pb2.WebhookResult(error=to_status(Invalid("no event")))
                ),
            ],
            next_page="evt_1",
        )


async def test_a_page_of_events_crosses_the_wire() -> None:
    servicer, since = Listing(), datetime(2026, 11, 28, 12, tzinfo=UTC)
    register = providers_pb2_grpc.add_ProviderServiceServicer_to_server
    server = GrpcServer()
    server.add(register, servicer, "caravel.providers.v1.ProviderService")
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        providers = GrpcProviders(channel)
        page = await providers.list_events("silent", since, "evt_9")
        await providers.list_events("silent", None, "")
    await server.stop(0)

    good, unreadable = page.events
    assert isinstance(good.read, ProviderEvent)
    assert (good.read.event_id, good.body) == ("evt_1", b"{}")
    assert good.created_at == datetime.fromtimestamp(7, UTC)
    assert isinstance(unreadable.read, Invalid)
    assert unreadable.created_at is None
    assert page.next_page == "evt_1"
    first, second = servicer.requests
    assert (first.since.ToDatetime(UTC), first.page) == (since, "evt_9")
    assert not second.HasField("since")
