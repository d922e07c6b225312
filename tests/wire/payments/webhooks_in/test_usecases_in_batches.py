"""Webhooks of the largest size that the gateway lets pass, all at once: however they are batched on
their way to providers, each has an answer of its own."""

import asyncio
from collections.abc import Sequence

from services.payments.mesh.providers import GrpcProviders
from services.payments.model.payment import PaymentNotFound
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.usecases import BATCH_MAX, Webhooks
from services.providers.assembly import assemble
from services.providers.config import Config
from services.shared.errors import DomainError
from services.shared.grpc_client import open_channel
from services.shared.limits import BODY_MAX_BYTES
from tests.contract.lab import provider_environment

PROVIDERS = "caravel.providers.v1.ProviderService"


class NoInbox:
    """The port Inbox, which is never reached: nothing here is signed."""

    async def receive(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt | PaymentNotFound]:
        raise AssertionError(arrivals)


async def test_the_largest_webhooks_at_once_are_each_answered() -> None:
    body = b"x" * BODY_MAX_BYTES
    async with assemble(Config.load(provider_environment("http://127.0.0.1:1"))) as server:
        await server.start("127.0.0.1", 0)
        await server.set_serving()
        target = f"127.0.0.1:{server.port}"
        async with open_channel(target, PROVIDERS, retry_unavailable=False) as channel:
            webhooks = Webhooks(GrpcProviders(channel), NoInbox(), sandbox=True, waiting_max=100)
            answers = await asyncio.gather(
                *(
                    webhooks.receive_provider_event("stripe", {"stripe-signature": "no"}, body)
                    for _ in range(BATCH_MAX)
                ),
                return_exceptions=True,
            )
        await server.stop(0)

    reasons = {answer.reason for answer in answers if isinstance(answer, DomainError)}
    assert (len(answers), reasons) == (BATCH_MAX, {"WEBHOOK_SIGNATURE_INVALID"})
