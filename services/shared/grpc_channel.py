"""A channel that follows the certificate of its process: with each new one there is a new channel
beneath the stubs, which do not notice, and calls under way end on the connections on which they
began."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import grpc

from services.shared.certificates import Certificate
from services.shared.identity import Identity

# Longer than any call between services may take.
CALL_SECONDS = 120.0

# Makes a channel that shows a certificate.
Open = Callable[[Certificate], grpc.aio.Channel]


class _Method:
    """One method of a service, as a stub holds it: called on whatever channel is the newest."""

    def __init__(self, make: Callable[[grpc.aio.Channel], Any], channel: grpc.aio.Channel) -> None:
        self._make = make
        self._call = make(channel)

    def move(self, channel: grpc.aio.Channel) -> None:
        """Makes the calls from now on on this channel."""
        self._call = self._make(channel)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._call(*arguments, **options)


class FollowingChannel(grpc.aio.Channel):
    """One channel to its users, whichever certificate the process has."""

    def __init__(self, open_channel: Open, identity: Identity) -> None:
        self._open = open_channel
        self._identity = identity
        self._shown = identity.certificate
        self._channel = open_channel(self._shown)
        self._methods: list[_Method] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._following = asyncio.create_task(self._follow())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Ends all calls, after `grace` seconds where it is given."""
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._channel.close(grace)
        for ending in self._ending:
            ending.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """See grpc.aio.Channel."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """See grpc.aio.Channel."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """See grpc.aio.Channel."""
        await self._channel.channel_ready()

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return self._method(lambda channel: channel.unary_unary(*arguments, **options))

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return self._method(lambda channel: channel.unary_stream(*arguments, **options))

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return self._method(lambda channel: channel.stream_unary(*arguments, **options))

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return self._method(lambda channel: channel.stream_stream(*arguments, **options))

    def _method(self, make: Callable[[grpc.aio.Channel], Any]) -> _Method:
        method = _Method(make, self._channel)
        self._methods.append(method)
        return method

    async def _follow(self) -> None:
        while True:
            certificate = await self._identity.another(self._shown)
            channel = self._open(certificate)
            try:
                usable = await self._is_usable(channel, certificate)
            except asyncio.CancelledError:
                await channel.close()
                raise
            if usable:
                self._move(channel, certificate)
            else:
                await channel.close()

    async def _is_usable(self, channel: grpc.aio.Channel, certificate: Certificate) -> bool:
        """Waits until the new channel is connected: no call is to wait for that, and peers may not
        trust its authority yet. False where its certificate is replaced before that."""
        connected = asyncio.create_task(channel.channel_ready())
        replaced = asyncio.create_task(self._identity.another(certificate))
        # The channel from before is as little use as this one once its certificate has ended.
        left = (self._shown.expires_at - datetime.now(UTC)).total_seconds()
        try:
            await asyncio.wait(
                {connected, replaced},
                timeout=max(0.0, left),
                return_when=asyncio.FIRST_COMPLETED,
            )
            return connected.done() or not replaced.done()
        finally:
            connected.cancel()
            replaced.cancel()
            await asyncio.gather(connected, replaced, return_exceptions=True)

    def _move(self, channel: grpc.aio.Channel, certificate: Certificate) -> None:
        before, self._channel, self._shown = self._channel, channel, certificate
        for method in self._methods:
            method.move(channel)
        ending = asyncio.create_task(before.close(CALL_SECONDS))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
