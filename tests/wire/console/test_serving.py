"""The server of the pages takes the gateway's certificate and no other, and shows the newest."""

import asyncio
import ssl
from pathlib import Path

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from deploy.authority import SERVICES, Authority, issue, new_authority, write_identity
from gateway.console.serving import serving
from services.shared.certificates import files_in, host_name
from services.shared.identity import Identity
from tests.identities import files_of, identity_of


def client_as(service: str) -> ssl.SSLContext:
    files = files_of(service)
    context = ssl.create_default_context(cafile=str(files.mesh_authority_file))
    context.load_cert_chain(files.mesh_certificate_file, files.mesh_key_file)
    return context


async def ask(port: int, context: ssl.SSLContext) -> int:
    named = {"sni_hostname": host_name("console")}
    async with httpx2.AsyncClient(verify=context, trust_env=False) as client:
        answer = await client.get(f"https://127.0.0.1:{port}/", extensions=named)
    return answer.status_code


@pytest.mark.parametrize("service", SERVICES)
async def test_pages_are_for_the_gateway_alone(service: str) -> None:
    app = PlainTextResponse("a page")
    async with serving(app, "127.0.0.1", 0, identity_of("console")) as port:
        if service == "gateway":
            assert await ask(port, client_as(service)) == 200
            return
        with pytest.raises(httpx2.HTTPError):
            await ask(port, client_as(service))


async def test_nobody_gets_in_without_a_certificate() -> None:
    files = files_of("gateway")
    context = ssl.create_default_context(cafile=str(files.mesh_authority_file))
    async with serving(PlainTextResponse(""), "127.0.0.1", 0, identity_of("console")) as port:
        with pytest.raises(httpx2.HTTPError):
            await ask(port, context)


async def replaced(folder: Path, identity: Identity, by: Authority, trusts: bytes) -> None:
    """Puts other files in place, and waits until they are used."""
    known = identity.certificate
    write_identity(folder, *issue(by, "console"), trusts)
    async with asyncio.timeout(10):
        await identity.another(known)


def gateway_of(authority: Authority, trusts: bytes, folder: Path) -> ssl.SSLContext:
    write_identity(folder, *issue(authority, "gateway"), trusts)
    files = files_in(folder)
    context = ssl.create_default_context(cafile=str(files.mesh_authority_file))
    context.load_cert_chain(files.mesh_certificate_file, files.mesh_key_file)
    return context


async def test_the_newest_certificate_and_its_authorities_count_without_a_restart(
    tmp_path: Path,
) -> None:
    """Everybody trusts both authorities, then the new one signs, then the old one is forgotten."""
    old, new, own = new_authority(), new_authority(), tmp_path / "console"
    write_identity(own, *issue(old, "console"), old.pem)
    identity = Identity(files_in(own), "console", look_seconds=0.01)
    before = gateway_of(old, old.pem, tmp_path / "before")
    after = gateway_of(new, new.pem, tmp_path / "after")
    app = PlainTextResponse("a page")
    async with identity.followed(), serving(app, "127.0.0.1", 0, identity) as port:
        assert await ask(port, before) == 200
        await replaced(own, identity, new, old.pem + new.pem)
        trusting = gateway_of(old, old.pem + new.pem, tmp_path / "trusting")
        assert await ask(port, trusting) == await ask(port, after) == 200
        # This one does not know the authority of the certificate that it is shown.
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            await ask(port, before)
        await replaced(own, identity, new, new.pem)
        assert await ask(port, after) == 200
        with pytest.raises(httpx2.HTTPError):
            await ask(port, trusting)


async def test_a_busy_port_is_said() -> None:
    app = PlainTextResponse("")
    async with serving(app, "127.0.0.1", 0, None) as port:
        with pytest.raises(OSError, match="in use"):
            async with serving(app, "127.0.0.1", port, None):
                raise AssertionError("two servers on one port")
