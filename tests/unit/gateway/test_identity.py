"""The gateway towards payments: a real Envoy shows its certificate, takes payments' alone, and
follows its files while requests go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.authority import Authority, issue, new_authority, write_identity
from services.shared.certificates import files_in
from services.shared.identity import Identity
from tests.polling import until
from tests.unit.gateway.conftest import Backend, healthz, run_envoy, start_backend

# More often than a process does.
LOOK_SECONDS = 0.01
READ = "/api/payments/pay_01jd8x3v9me7rb5k3n6q2f4h8z"
CLIENTS = 4


@dataclass
class Setup:
    """A gateway in front of payments, and the files of both."""

    authority: Authority
    gateway: Path
    payments: Path
    identity: Identity
    backend: Backend
    http: aiohttp.ClientSession
    statuses: list[int] = field(default_factory=list)

    async def read(self) -> int:
        """The status of one request."""
        async with self.http.get(READ) as answer:
            await answer.read()
            return answer.status

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Requests without a pause for as long as the block lasts; each has to be answered well."""
        done = asyncio.Event()

        async def client() -> None:
            while not done.is_set():
                self.statuses.append(await self.read())

        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(client())
            yield
            done.set()
        assert set(self.statuses) == {200}

    def replace(self, by: Authority, trusts: bytes) -> bytes:
        """Puts other files of the gateway in place; the new certificate."""
        key, certificate = issue(by, "gateway")
        write_identity(self.gateway, key, certificate, trusts)
        return certificate

    async def shown(self, certificate: bytes) -> None:
        """Waits until requests reach payments with this certificate."""

        async def look() -> bool:
            await self.read()
            return self.backend.certificates[-1] == certificate

        await until(look, bool)


@asynccontextmanager
async def setup(folder: Path, payments: str = "payments") -> AsyncIterator[Setup]:
    """A gateway, and behind it a process with the certificate of this service."""
    authority, backend = new_authority(), Backend()
    for name, service in (("gateway", "gateway"), ("payments", payments)):
        write_identity(folder / name, *issue(authority, service), authority.pem)
    identity = Identity(files_in(folder / "payments"), payments, look_seconds=LOOK_SECONDS)
    # Envoy shows its newest certificate to new connections.
    server = await start_backend(backend, identity=identity, connection_age_seconds=0.5)
    async with (
        identity.followed(),
        run_envoy(folder, server.port, backend, identity=folder / "gateway") as running,
        aiohttp.ClientSession(running.rest, timeout=aiohttp.ClientTimeout(total=20)) as http,
    ):
        if payments == "payments":
            await until(lambda: healthz(running), lambda status: status == 200)
        yield Setup(authority, folder / "gateway", folder / "payments", identity, backend, http)
    await server.stop(0)


async def test_a_replaced_certificate_is_shown_and_no_request_fails(tmp_path: Path) -> None:
    async with setup(tmp_path) as mesh, mesh.under_load():
        for _ in range(3):
            await mesh.shown(mesh.replace(mesh.authority, mesh.authority.pem))

    assert len(set(mesh.backend.certificates)) == 4


async def test_both_sides_and_their_authority_are_replaced_under_load(tmp_path: Path) -> None:
    async with setup(tmp_path) as mesh, mesh.under_load():
        old, new = mesh.authority, new_authority()
        for by, trusts in ((old, old.pem + new.pem), (new, old.pem + new.pem), (new, new.pem)):
            known = mesh.identity.certificate
            # payments' own first, as far as the gateway trusts it already.
            write_identity(mesh.payments, *issue(by, "payments"), trusts)
            await mesh.identity.another(known)
            await mesh.shown(mesh.replace(by, trusts))


@pytest.mark.parametrize("damage", ["half", "foreign key"])
async def test_files_that_are_no_use_change_nothing(tmp_path: Path, damage: str) -> None:
    async with setup(tmp_path) as mesh:
        await mesh.read()
        before = mesh.backend.certificates[-1]
        key, certificate = issue(mesh.authority, "gateway")
        broken: Any = {
            "half": (key, certificate[: len(certificate) // 2]),
            "foreign key": (issue(mesh.authority, "gateway")[0], certificate),
        }
        async with mesh.under_load():
            write_identity(mesh.gateway, *broken[damage], mesh.authority.pem)
            # Files that come after them are read, so these were too.
            await mesh.shown(mesh.replace(mesh.authority, mesh.authority.pem))

    assert len({before, *mesh.backend.certificates}) == 2


@pytest.mark.parametrize("service", ["fees", "providers"])
async def test_the_gateway_calls_nobody_who_is_not_payments(tmp_path: Path, service: str) -> None:
    """Another certificate of the mesh at payments' address gets no request."""
    async with setup(tmp_path, payments=service) as mesh:
        assert await mesh.read() == 503

    assert mesh.backend.requests == []
