"""A channel through the replacement of certificates: its stub stays, no call fails, and a call that
is under way ends where it began."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from caravel.providers.v1 import providers_pb2, providers_pb2_grpc

from deploy.authority import Authority, issue, new_authority, write_identity
from services.shared.certificates import files_in
from services.shared.grpc_client import open_channel
from services.shared.identity import Identity
from tests.polling import until
from tests.wire.shared.scripted import NAME, Scripted, serve, stream

# More often than a process does.
LOOK_SECONDS = 0.01
CALLERS = 8


@dataclass
class Watched(Scripted):
    """Notes the certificate of each call."""

    seen: list[bytes] = field(default_factory=list)

    async def ListProviders(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.seen.append(context.auth_context()["x509_pem_cert"][0])
        return await super().ListProviders(request, context)


@dataclass
class Side:
    """One of two processes, with its files."""

    folder: Path
    service: str
    identity: Identity

    async def replace(self, by: Authority, trusts: bytes, **options: Any) -> bytes:
        """Puts other files in place, and waits until they are read; the new certificate."""
        known = self.identity.certificate
        key, certificate = issue(by, self.service, **options)
        write_identity(self.folder, key, certificate, trusts)
        async with asyncio.timeout(10):
            await self.identity.another(known)
        return certificate


@dataclass
class Pair:
    """A caller and a service of one authority, and the stub between them."""

    authority: Authority
    caller: Side
    called: Side
    servicer: Watched
    channel: grpc.aio.Channel
    stub: Any
    answered: int = 0

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Many calls at once, without a pause, for as long as the block lasts; none may fail."""
        done = asyncio.Event()

        async def caller() -> None:
            while not done.is_set():
                await self.call()
                self.answered += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(caller())
            yield
            done.set()

    async def call(self) -> None:
        """One call. Raises AioRpcError where it fails: it is never repeated."""
        await self.stub.ListProviders(providers_pb2.ListProvidersRequest(), timeout=10)

    async def shown(self, certificate: bytes) -> None:
        """Waits until calls come with this certificate; they go on meanwhile or are made here."""

        async def look() -> bool:
            await self.call()
            return self.servicer.seen[-1] == certificate

        await until(look, bool)


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    authority, servicer = new_authority(), Watched()
    sides = []
    for service in ("worker", "providers"):
        write_identity(folder / service, *issue(authority, service), authority.pem)
        identity = Identity(files_in(folder / service), service, look_seconds=LOOK_SECONDS)
        sides.append(Side(folder / service, service, identity))
    caller, called = sides
    server = serve(servicer, called.identity)
    await server.start("127.0.0.1", 0)
    await server.set_serving()
    async with caller.identity.followed(), called.identity.followed():
        target = f"127.0.0.1:{server.port}"
        async with open_channel(target, NAME, caller.identity, retry_unavailable=False) as channel:
            stub = providers_pb2_grpc.ProviderServiceStub(channel)
            yield Pair(authority, caller, called, servicer, channel, stub)
    await server.stop(0)


async def test_new_calls_come_with_the_new_certificate_and_none_fails(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, both.under_load():
        for _ in range(5):
            renewed = await both.caller.replace(both.authority, both.authority.pem)
            await both.shown(renewed)

    assert both.answered > 0
    assert len(set(both.servicer.seen)) == 6


async def test_a_call_under_way_ends_on_the_connection_on_which_it_began(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        both.servicer.gate.clear()
        call = asyncio.create_task(stream(both.channel, "one"))
        await both.servicer.entered.wait()
        for _ in range(2):
            await moved_after(both, both.authority, both.authority.pem)
        both.servicer.gate.set()

        assert await call == ["one", "last"]


async def test_both_sides_and_their_authority_are_replaced_under_load(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, both.under_load():
        old, new = both.authority, new_authority()
        for by, trusts in ((old, old.pem + new.pem), (new, old.pem + new.pem), (new, new.pem)):
            await both.called.replace(by, trusts)
            await both.shown(await both.caller.replace(by, trusts))

    assert both.answered > 0


async def test_a_certificate_that_peers_do_not_trust_yet_waits_until_they_do(
    tmp_path: Path,
) -> None:
    """The authority is read by one process before the other: nothing is lost in between."""
    async with pair(tmp_path) as both, both.under_load():
        old, new = both.authority, new_authority()
        before = both.caller.identity.certificate.certificate
        renewed = await both.caller.replace(new, old.pem + new.pem)
        await both.shown(before)
        await both.called.replace(old, old.pem + new.pem)
        await both.shown(renewed)

    assert both.answered > 0


async def test_a_certificate_that_has_ended_is_left_for_one_that_is_not_trusted(
    tmp_path: Path,
) -> None:
    """Neither connects: the newer one does as soon as its authority is read over there."""
    async with pair(tmp_path) as both:
        old, new = both.authority, new_authority()
        await moved_after(both, old, old.pem, lifetime=timedelta(seconds=2))
        await moved_after(both, new, old.pem + new.pem)


async def moved_after(both: Pair, by: Authority, trusts: bytes, **options: Any) -> None:
    """Replaces the caller's certificate, and waits until its channel has left the one before."""
    known = both.channel._channel
    await both.caller.replace(by, trusts, **options)

    async def moved() -> bool:
        return both.channel._channel is not known

    await until(moved, bool)
