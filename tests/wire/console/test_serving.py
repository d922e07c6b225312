"""The server of the pages takes the gateway's certificate and no other, and shows the newest."""

import ssl
from pathlib import Path

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from deploy.authority import SERVICES
from gateway.console.serving import serving
from services.shared.certificates import host_name
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


async def test_a_busy_port_is_said(tmp_path: Path) -> None:
    app = PlainTextResponse("")
    async with serving(app, "127.0.0.1", 0, None) as port:
        with pytest.raises(OSError, match="in use"):
            async with serving(app, "127.0.0.1", port, None):
                raise AssertionError("two servers on one port")
