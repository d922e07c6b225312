"""Certificates for tests, of an authority that the run makes for itself: the one place where a test
gets an identity, the variables of one, or a channel into a service that has one."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import grpc

from deploy.authority import renew
from services.shared.certificates import (
    Certificate,
    IdentityFiles,
    files_in,
    host_name,
    read_certificate,
)
from services.shared.identity import Identity, channel_credentials


@cache
def certificates() -> Path:
    """The folder of all services' certificates."""
    folder = Path(tempfile.mkdtemp(prefix="caravel-certificates-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    renew(folder)
    return folder


def files_of(service: str) -> IdentityFiles:
    """The files of a service."""
    return files_in(certificates() / service)


def variables_of(service: str) -> Mapping[str, str]:
    """The variables of a process that is this service."""
    return files_of(service).variables


def identity_of(service: str) -> Identity:
    """The identity of a service, which does not follow its files."""
    return Identity(files_of(service), service)


def channel_as(caller: str, called: str, target: str) -> grpc.aio.Channel:
    """A channel to the service that is called at this target, with the certificate of a caller."""
    return channel_with(read_certificate(files_of(caller)), called, target)


def channel_with(certificate: Certificate | None, called: str, target: str) -> grpc.aio.Channel:
    """The same with any certificate, and with none."""
    if certificate is None:
        credentials = grpc.ssl_channel_credentials(
            files_of(called).mesh_authority_file.read_bytes()
        )
    else:
        credentials = channel_credentials(certificate)
    named = (("grpc.ssl_target_name_override", host_name(called)),)
    return grpc.aio.secure_channel(target, credentials, options=named)
