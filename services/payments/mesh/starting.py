"""The start of a process of payments: it waits until providers answers, and refuses to go on beside
one of another deployment."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from services.payments.mesh.declared import DeclaredCapabilities
from services.payments.mesh.ports import Providers
from services.payments.model.timing import START_RETRY_SECONDS
from services.shared.deployment import Deployment
from services.shared.errors import CannotStart, Unavailable
from services.shared.log import get_logger

Answered = TypeVar("Answered")


class MixedDeployment(CannotStart):
    """Calls without a key could move real money, or a merchant's payments none."""


def refuse_mixed(theirs: Deployment | None, ours: Deployment) -> None:
    """Raises MixedDeployment where DEPLOYMENT is not what providers says of itself."""
    if theirs != ours:
        raise MixedDeployment(
            f"DEPLOYMENT is {ours} here and {theirs or 'unknown'} at providers; give both the same"
        )


async def answered(ask: Callable[[], Awaitable[Answered]]) -> Answered:
    """The answer of another service, once it gives one."""
    while True:
        try:
            return await ask()
        except Unavailable as error:
            get_logger().warning("waiting_for_services", reason=str(error))
            await asyncio.sleep(START_RETRY_SECONDS)


async def declared_at_start(providers: Providers, ours: Deployment) -> DeclaredCapabilities:
    """The declarations of providers, for a service that starts. Raises MixedDeployment."""
    declared = DeclaredCapabilities(providers)
    if ours is Deployment.SANDBOX:
        refuse_mixed(await answered(providers.deployment), ours)
        await answered(declared.load)
    else:
        # Reading needs no providers, which the worker waits for.
        with suppress(Unavailable):
            refuse_mixed(await providers.deployment(), ours)
    return declared
