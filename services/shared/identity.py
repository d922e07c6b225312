"""The identity of a process in the mesh: the certificate of shared.certificates, followed as its
files change, so that it is replaced without a restart. Channels that follow it are those of
shared.grpc_channel."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
from prometheus_client import Gauge

from services.shared.beside import beside
from services.shared.certificates import (
    Certificate,
    IdentityFiles,
    IdentityUnusable,
    read_certificate,
)
from services.shared.file_version import Version, file_version
from services.shared.log import get_logger

# How often the files are looked at. A change counts once it has stayed for as long: three files are
# not written at once.
LOOK_SECONDS = 1.0

EXPIRES = Gauge(
    "caravel_certificate_expires_at",
    "When the certificate that the process uses now ends, in seconds since 1970.",
    ["service"],
)


class Identity:
    """The certificate of this process as it is now, and the credentials made of it."""

    def __init__(
        self,
        files: IdentityFiles,
        service: str,
        *,
        look_seconds: float = LOOK_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Raises IdentityUnusable where the files are no use, or are those of another service."""
        self._files = files
        self._service = service
        self._look_seconds = look_seconds
        self._sleep = sleep
        self._changed = asyncio.Event()
        # Looked at before it is read: what changes in between is seen the next time.
        self._seen = self._versions()
        # Why the newest files are not used; empty where they are.
        self._refused = ""
        self.certificate = self._read()
        EXPIRES.labels(service).set(self.certificate.expires_at.timestamp())

    def followed(self) -> AbstractAsyncContextManager[None]:
        """Looks at the files again and again, as long as the context is open."""
        return beside(self._follow)

    async def another(self, known: Certificate) -> Certificate:
        """Waits until the certificate is another than the one that is known; returns it."""
        while self.certificate is known:
            await self._changed.wait()
        return self.certificate

    def server_credentials(self) -> grpc.ServerCredentials:
        """Credentials of a server that shows the certificate as it is at each handshake, and takes
        no client without one of the same authorities."""
        shown = self.certificate

        # The published type does not say that None means: the same as at the last handshake.
        def newest() -> Any:
            # Called by gRPC's own threads.
            nonlocal shown
            if self.certificate is shown:
                return None
            shown = self.certificate
            return _configuration(shown)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(shown), newest, require_client_authentication=True
        )

    async def _follow(self) -> None:
        waiting = self._seen
        while True:
            await self._sleep(self._look_seconds)
            before, waiting = waiting, self._versions()
            # Files that were refused may be good later: one becomes valid, or another file fits.
            if waiting == before and (waiting != self._seen or self._refused):
                self._seen = waiting
                self._take()

    def _take(self) -> None:
        try:
            certificate = self._read()
        except IdentityUnusable as refused:
            if str(refused) != self._refused:
                get_logger().warning("certificate_kept", reason=str(refused))
            self._refused = str(refused)
            return
        self._refused = ""
        if certificate == self.certificate:
            return
        self.certificate = certificate
        EXPIRES.labels(self._service).set(certificate.expires_at.timestamp())
        get_logger().info("certificate_replaced", expires_at=certificate.expires_at.isoformat())
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _read(self) -> Certificate:
        certificate = read_certificate(self._files)
        if certificate.service != self._service:
            raise IdentityUnusable(
                f"the certificate in {self._files.mesh_certificate_file} is that of "
                f"{certificate.service}, and this process is {self._service}"
            )
        return certificate

    def _versions(self) -> tuple[Version, ...]:
        return tuple(map(file_version, self._files.paths))


def channel_credentials(certificate: Certificate) -> grpc.ChannelCredentials:
    """Credentials of a client that shows this certificate and trusts its authorities."""
    return grpc.ssl_channel_credentials(
        certificate.authorities, certificate.key, certificate.certificate
    )


def _configuration(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificate.key, certificate.certificate)], certificate.authorities
    )
