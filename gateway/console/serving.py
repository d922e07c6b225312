"""The server of the pages: HTTP over mutual TLS with the console's certificate, for the gateway's
alone. Each connection is shown the newest certificate."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.shared.certificates import Certificate, service_of
from services.shared.identity import Identity

GATEWAY = "gateway"
STOP_GRACE_SECONDS = 10


class GatewayProtocol(H11Protocol):
    """HTTP/1.1, for the gateway's certificate and no other."""

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        if _peer(transport) != GATEWAY:
            transport.abort()
            return
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """Signals are for whoever has started it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn.Server."""
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, host: str, port: int, identity: Identity | None
) -> AsyncIterator[int]:
    """Serves the application, and yields its port; in the clear, and for everybody, without an
    identity. Raises OSError on a busy port."""
    config = uvicorn.Config(
        app,
        http=GatewayProtocol if identity else H11Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=64 * 1024,
        timeout_graceful_shutdown=STOP_GRACE_SECONDS,
    )
    config.load()
    listening = _listen(host, port)
    if identity:
        config.ssl = _newest_context(identity)
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await running


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {host}:{port}: the port is in use") from error
    return listening


def _newest_context(identity: Identity) -> ssl.SSLContext:
    """A context that has each connection use one of the certificate as it is then, so that an
    authority that was taken away is not trusted any more."""
    context_of = lru_cache(maxsize=1)(_context)

    def choose(connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        connection.context = context_of(identity.certificate)

    context = _context(identity.certificate)
    context.sni_callback = choose
    return context


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate.authorities.decode())
    # The library takes a certificate with its key from files alone.
    with TemporaryDirectory() as folder:
        chain, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        chain.write_bytes(certificate.certificate)
        key.touch(mode=0o600)
        key.write_bytes(certificate.key)
        context.load_cert_chain(chain, key)
    return context


def _peer(transport: asyncio.BaseTransport) -> str:
    """The service whose certificate the other side has."""
    shown = transport.get_extra_info("peercert") or {}
    names = [name for kind, name in shown.get("subjectAltName", ()) if kind == "DNS"]
    return next(filter(None, map(service_of, names)), "")
