"""The start of a process of payments: it waits until providers answers, and refuses to go on beside
one of another deployment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

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
    """The answer of providers, once it gives one."""
    while True:
        try:
            return await ask()
        except Unavailable as error:
            get_logger().warning("waiting_for_providers", reason=str(error))
            await asyncio.sleep(START_RETRY_SECONDS)
