"""Asks providers under which name an account is held. The question moves nothing, so the next one
is asked where a provider does not answer; whatever goes wrong is no answer. The name is logged
nowhere."""

import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.providers.domain import UNANSWERED, Holder, Resolution
from services.providers.limits import Gate
from services.providers.ports import Adapter, Resolver
from services.shared.log import get_logger
from services.shared.recipients import Recipient

RESOLVING_DEFAULT = timedelta(seconds=4)
RESOLVING_MAX = timedelta(seconds=10)


class Resolving:
    """Asks for the holders of accounts, within the limits of each provider."""

    def __init__(self, adapters: Mapping[str, Adapter], gates: Mapping[str, Gate]) -> None:
        self._adapters = adapters
        self._gates = gates

    async def resolve(
        self,
        providers: Sequence[str],
        recipient: Recipient,
        currency: str,
        allowed: timedelta | None,
    ) -> Holder:
        """The holder by the first of these providers that answers; `allowed` is the time of all."""
        within = min(allowed or RESOLVING_DEFAULT, RESOLVING_MAX)
        ends = time.monotonic() + within.total_seconds()
        for name in providers:
            adapter = self._adapters.get(name)
            if not isinstance(adapter, Resolver):
                continue
            if (recipient.kind, currency) not in adapter.capabilities.resolves:
                continue
            started = time.monotonic()
            holder = await self._asked(name, adapter, recipient, currency, ends)
            get_logger().info(
                "recipient_resolved",
                provider=name,
                kind=recipient.kind,
                currency=currency,
                resolution=holder.resolution.name,
                milliseconds=round((time.monotonic() - started) * 1000, 2),
            )
            if holder.resolution is not Resolution.UNANSWERED:
                return holder
        return UNANSWERED

    async def _asked(
        self, name: str, adapter: Resolver, recipient: Recipient, currency: str, ends: float
    ) -> Holder:
        try:
            return await self._gates[name].asked(
                ends - time.monotonic(), lambda: adapter.resolve(recipient, currency)
            )
        except TimeoutError:
            return UNANSWERED
        except Exception as error:  # noqa: BLE001 - a question is never worth an error of the call
            # The frames say where; an exception's own text may quote a request.
            get_logger().error(
                "resolver_error",
                provider=name,
                error=type(error).__name__,
                frames=traceback.format_tb(error.__traceback__),
            )
            return UNANSWERED
