"""The files by which a process proves which service of the mesh it is: its certificate, the key of
that, and the authorities that it trusts. They are read whole or refused; following them as they
change is shared.identity's, and making them is deploy.authority's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from pydantic import BaseModel, Field

from services.shared.errors import CannotStart

# Every certificate of the mesh names its service as <service>.caravel.internal. The name is no
# address: a peer may be anywhere, and is known by this name alone.
DOMAIN = "caravel.internal"
# As Kubernetes names them in its own secrets.
CERTIFICATE_FILE, KEY_FILE, AUTHORITY_FILE = "tls.crt", "tls.key", "ca.crt"


class IdentityUnusable(CannotStart):
    """The files prove nothing to anybody; the message says which one, and why."""


class IdentityFiles(BaseModel):
    """The variables that every process of the mesh needs."""

    mesh_certificate_file: Path = Field(
        description="Certificate of this process, PEM, with its chain."
    )
    mesh_key_file: Path = Field(description="Key of the certificate, PEM, not encrypted.")
    mesh_authority_file: Path = Field(
        description="Authorities whose certificates are trusted, PEM; two while one is replaced."
    )

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables themselves, for the environment of a process."""
        return {name.upper(): str(path) for name, path in self}

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """Certificate, key, authorities."""
        return self.mesh_certificate_file, self.mesh_key_file, self.mesh_authority_file


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The contents of the three files, which fit together. service is the name that peers see."""

    service: str
    expires_at: datetime
    certificate: bytes
    key: bytes = field(repr=False)
    authorities: bytes


def files_in(folder: Path) -> IdentityFiles:
    """The files in a folder where they have their usual names."""
    return IdentityFiles(
        mesh_certificate_file=folder / CERTIFICATE_FILE,
        mesh_key_file=folder / KEY_FILE,
        mesh_authority_file=folder / AUTHORITY_FILE,
    )


def host_name(service: str) -> str:
    """The name of a service in its certificate."""
    return f"{service}.{DOMAIN}"


def service_of(name: str) -> str:
    """The service that a name in a certificate stands for; empty where it is none of the mesh."""
    service, _, domain = name.partition(".")
    return service if domain == DOMAIN else ""


def read_certificate(files: IdentityFiles, now: datetime | None = None) -> Certificate:
    """Reads the files. Raises IdentityUnusable where they cannot be read, do not fit together, or
    are not valid now."""
    contents = [_read(path) for path in files.paths]
    certificate, key, authorities = contents
    chain = _certificates(files.mesh_certificate_file, certificate)
    trusted = _certificates(files.mesh_authority_file, authorities)
    _refuse_foreign_key(files, chain[0], key)
    _refuse_untrusted(files, chain, trusted)
    _refuse_untimely(files, chain[0], now or datetime.now(UTC))
    return Certificate(
        service=_service(files, chain[0]),
        expires_at=chain[0].not_valid_after_utc,
        certificate=certificate,
        key=key,
        authorities=authorities,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IdentityUnusable(f"{path} cannot be read ({type(error).__name__})") from None


def _certificates(path: Path, text: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text)
    except ValueError:
        found = []
    if not found:
        raise IdentityUnusable(f"{path} holds no certificate in PEM form")
    return found


def _refuse_foreign_key(files: IdentityFiles, leaf: x509.Certificate, text: bytes) -> None:
    try:
        key = serialization.load_pem_private_key(text, password=None)
    except (ValueError, TypeError):
        raise IdentityUnusable(
            f"{files.mesh_key_file} holds no key in PEM form without a password"
        ) from None
    if key.public_key() != leaf.public_key():
        raise IdentityUnusable(
            f"the key in {files.mesh_key_file} is not that of the certificate in "
            f"{files.mesh_certificate_file}"
        )


def _refuse_untrusted(
    files: IdentityFiles, chain: list[x509.Certificate], trusted: list[x509.Certificate]
) -> None:
    if not any(_is_issued(one, by) for one in chain for by in trusted):
        raise IdentityUnusable(
            f"no authority in {files.mesh_authority_file} has issued the certificate in "
            f"{files.mesh_certificate_file}"
        )


def _is_issued(one: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _refuse_untimely(files: IdentityFiles, leaf: x509.Certificate, now: datetime) -> None:
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not begins <= now < ends:
        raise IdentityUnusable(
            f"the certificate in {files.mesh_certificate_file} is valid from "
            f"{begins.isoformat()} to {ends.isoformat()}, and not now"
        )


def _service(files: IdentityFiles, leaf: x509.Certificate) -> str:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = [service_of(name) for name in names.get_values_for_type(x509.DNSName)]
    except (x509.ExtensionNotFound, ValueError):
        found = []
    services = [name for name in found if name]
    if len(services) != 1:
        raise IdentityUnusable(
            f"the certificate in {files.mesh_certificate_file} must name one service as "
            f"DNS:<service>.{DOMAIN}"
        )
    return services[0]
