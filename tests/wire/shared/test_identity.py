"""A service lets in the mesh alone, and shows its newest certificate: with real connections, and
files that are replaced while it runs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from deploy.authority import Authority, issue, new_authority, write_identity
from services.shared.certificates import (
    Certificate,
    IdentityUnusable,
    files_in,
    host_name,
    read_certificate,
)
from services.shared.identity import EXPIRES, Identity
from tests.identities import channel_with
from tests.logs import logged
from tests.polling import until
from tests.wire.shared.scripted import Scripted, serve, stream, unary

# More often than a process does.
LOOK_SECONDS = 0.01
SERVICE = "providers"


@dataclass
class Running:
    """A running service, whose files are in a folder."""

    folder: Path
    authority: Authority
    servicer: Scripted
    identity: Identity
    target: str

    async def shown(self) -> bytes:
        """The certificate that it shows to one who connects now."""
        client = certificate(self.authority, "worker", trusts=None)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        own = self.folder / "client"
        write_identity(own, client.key, client.certificate, client.authorities)
        context.load_cert_chain(own / "tls.crt", own / "tls.key")
        host, _, port = self.target.partition(":")
        _, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname=host_name(SERVICE)
        )
        der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return ssl.DER_cert_to_PEM_cert(der).encode()

    async def replace(self, by: Authority, trusts: bytes) -> None:
        """Puts other files in place, and waits until the service uses them."""
        known = self.identity.certificate
        write_identity(self.folder, *issue(by, SERVICE), trusts)
        async with asyncio.timeout(10):
            await self.identity.another(known)


def certificate(
    by: Authority,
    service: str,
    *,
    trusts: bytes | None,
    lifetime: timedelta = timedelta(hours=1),
    now: datetime | None = None,
) -> Certificate:
    """A certificate in memory, valid or not."""
    key, pem = issue(by, service, lifetime=lifetime, now=now)
    return Certificate(
        service=service,
        expires_at=datetime.now(UTC) + lifetime,
        certificate=pem,
        key=key,
        authorities=by.pem if trusts is None else trusts,
    )


@asynccontextmanager
async def running(folder: Path, service: str = SERVICE) -> AsyncIterator[Running]:
    authority, servicer = new_authority(), Scripted()
    write_identity(folder, *issue(authority, service), authority.pem)
    identity = Identity(files_in(folder), service, look_seconds=LOOK_SECONDS)
    server = serve(servicer, identity)
    await server.start("127.0.0.1", 0)
    await server.set_serving()
    async with identity.followed():
        yield Running(folder, authority, servicer, identity, f"127.0.0.1:{server.port}")
    await server.stop(0)


async def called(by: Certificate | None, target: str, service: str = SERVICE) -> list[str] | str:
    """The answer to a new connection of this certificate, or the code of its failure."""
    async with channel_with(by, service, target) as channel:
        try:
            return await unary(channel)
        except grpc.aio.AioRpcError as refused:
            return str(refused.code().name)


async def test_a_certificate_of_the_mesh_is_let_in(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        worker = certificate(service.authority, "worker", trusts=None)

        assert await called(worker, service.target) == ["acme"]


async def test_nobody_else_is(tmp_path: Path) -> None:
    """No certificate, that of another authority, and one whose time is over or has not come."""
    async with running(tmp_path) as service:
        own, now = service.authority, datetime.now(UTC)
        strangers = {
            "foreign": certificate(new_authority(), "worker", trusts=own.pem),
            "expired": certificate(own, "worker", trusts=None, now=now - timedelta(hours=2)),
            "not yet": certificate(own, "worker", trusts=None, now=now + timedelta(hours=2)),
        }
        answers = {
            name: await called(stranger, service.target) for name, stranger in strangers.items()
        }
        async with grpc.aio.insecure_channel(service.target) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await unary(channel)

        assert answers == dict.fromkeys(strangers, "UNAVAILABLE")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert service.servicer.calls == 0


async def test_a_client_without_any_certificate_is_not_let_in(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        credentials = grpc.ssl_channel_credentials(service.authority.pem)
        named = (("grpc.ssl_target_name_override", host_name(SERVICE)),)
        async with grpc.aio.secure_channel(service.target, credentials, named) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await unary(channel)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert service.servicer.calls == 0


async def test_a_client_calls_no_server_of_another_name_or_authority(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        worker = certificate(service.authority, "worker", trusts=None)
        stranger = certificate(service.authority, "worker", trusts=new_authority().pem)

        assert await called(worker, service.target, "fees") == "UNAVAILABLE"
        assert await called(stranger, service.target) == "UNAVAILABLE"
        assert service.servicer.calls == 0


async def test_the_operator_s_certificate_serves_nothing(tmp_path: Path) -> None:
    """It lies on people's machines: whoever has it cannot take a service's place."""
    async with running(tmp_path, service="operator") as service:
        worker = certificate(service.authority, "worker", trusts=None)

        assert await called(worker, service.target, "operator") == "UNAVAILABLE"


async def test_a_replaced_certificate_is_shown_at_once_and_calls_under_way_go_on(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as service:
        service.servicer.gate.clear()
        worker = certificate(service.authority, "worker", trusts=None)
        async with channel_with(worker, SERVICE, service.target) as channel:
            call = asyncio.create_task(stream(channel, "one"))
            await service.servicer.entered.wait()
            before = await service.shown()
            await service.replace(service.authority, service.authority.pem)
            after = await service.shown()
            service.servicer.gate.set()

            assert await call == ["one", "last"]

    assert before != after == (tmp_path / "tls.crt").read_bytes()


async def test_the_authority_itself_is_replaced_in_three_steps(tmp_path: Path) -> None:
    """Everybody trusts both, then the new one signs, then the old one is forgotten."""
    async with running(tmp_path) as service:
        old, new = service.authority, new_authority()
        both = old.pem + new.pem
        before = certificate(old, "worker", trusts=both)
        after = certificate(new, "worker", trusts=both)

        assert await called(after, service.target) == "UNAVAILABLE"
        await service.replace(old, both)
        assert [await called(one, service.target) for one in (before, after)] == [["acme"]] * 2
        await service.replace(new, both)
        assert [await called(one, service.target) for one in (before, after)] == [["acme"]] * 2
        await service.replace(new, new.pem)
        assert await called(after, service.target) == ["acme"]
        assert await called(before, service.target) == "UNAVAILABLE"


def expires() -> float:
    """The metric."""
    return EXPIRES.labels(SERVICE)._value.get()


@pytest.mark.parametrize("damage", ["half", "foreign key", "missing", "another service's"])
async def test_files_that_are_no_use_change_nothing_but_the_log(
    tmp_path: Path, damage: str
) -> None:
    with logged() as lines:
        async with running(tmp_path) as service:
            before = await service.shown()
            ends = expires()
            key, pem = issue(service.authority, SERVICE, lifetime=timedelta(days=2))
            damaged = {
                "half": (key, pem[: len(pem) // 2]),
                "foreign key": (issue(service.authority, SERVICE)[0], pem),
                "missing": (key, pem),
                "another service's": issue(service.authority, "fees"),
            }
            write_identity(tmp_path, *damaged[damage], service.authority.pem)
            if damage == "missing":
                (tmp_path / "tls.key").unlink()

            async def warnings() -> list[str]:
                return [line["reason"] for line in lines() if line["event"] == "certificate_kept"]

            [reason] = await until(warnings, bool)
            assert (await service.shown(), expires()) == (before, ends)
            assert str(tmp_path) in reason and len(reason.splitlines()) == 1

            known = service.identity.certificate
            write_identity(tmp_path, key, pem, service.authority.pem)
            await service.identity.another(known)
            assert await service.shown() == pem
            assert expires() == service.identity.certificate.expires_at.timestamp() < ends
            # Spoken of once, however often it was looked at.
            assert len(await warnings()) == 1


async def test_files_that_are_written_one_by_one_are_not_spoken_of(tmp_path: Path) -> None:
    """A look at the files that meets a half of them waits for the rest."""
    looks = asyncio.Semaphore(0)

    async def when_released(_: float) -> None:
        await looks.acquire()

    authority = new_authority()
    write_identity(tmp_path, *issue(authority, SERVICE), authority.pem)
    identity = Identity(files_in(tmp_path), SERVICE, sleep=when_released)
    known = identity.certificate
    key, pem = issue(authority, SERVICE)
    with logged() as lines:
        async with identity.followed():
            (tmp_path / "tls.key").write_bytes(key)
            looks.release()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            (tmp_path / "tls.crt").write_bytes(pem)
            for _ in range(3):
                looks.release()
            await identity.another(known)

        assert [line["event"] for line in lines()] == ["certificate_replaced"]
    assert identity.certificate == read_certificate(files_in(tmp_path))


def test_a_process_with_another_service_s_certificate_does_not_start(tmp_path: Path) -> None:
    authority = new_authority()
    write_identity(tmp_path, *issue(authority, "payments"), authority.pem)

    with pytest.raises(IdentityUnusable, match="is that of payments, and this process is fees"):
        Identity(files_in(tmp_path), "fees")
