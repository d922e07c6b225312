"""The mesh's own authority: `python -m deploy.authority FOLDER` makes it and the certificate of
each service, and makes again what ends soon; `--stay` goes on doing so. FOLDER/<service> is for
that one service; FOLDER/authority holds the keys of the authority and is for nobody else. Another
authority may take its place: services know only the files that shared.certificates names."""

import argparse
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.shared.certificates import (
    AUTHORITY_FILE,
    CERTIFICATE_FILE,
    DOMAIN,
    KEY_FILE,
    IdentityUnusable,
    files_in,
    host_name,
    read_certificate,
)

# Which serve, and which only call. The operator's is for people: it may look, and moves no money.
SERVERS = ("fees", "fx", "providers", "payments", "worker", "console")
OPERATOR = "operator"
CLIENTS = ("gateway", OPERATOR)
SERVICES = (*SERVERS, *CLIENTS)
AUTHORITY = "authority"
# A certificate is made again when half of its time is over, so that its maker may be away as long.
LIFETIME = timedelta(days=7)
AUTHORITY_LIFETIME = timedelta(days=365)
# A new authority signs nothing before everybody has read that it is one.
KNOWN_AFTER = timedelta(days=1)
# Clocks differ.
BEFORE = timedelta(minutes=5)
STAY_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Authority:
    """One authority with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate as files hold it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def renew(
    folder: Path,
    services: Sequence[str] = SERVICES,
    *,
    now: datetime | None = None,
    again: bool = False,
    replace_authority: bool = False,
) -> list[str]:
    """Makes what is missing, ends soon or is not trusted any more; returns the services that got a
    new certificate, which are all of them where they are made `again`.

    Every file is put in place whole, and the key before its certificate.
    """
    now = now or datetime.now(UTC)
    authorities = _authorities(folder / AUTHORITY, now, another=replace_authority)
    bundle = b"".join(one.pem for one in authorities)
    made = []
    for name in services:
        _trust(folder / name, bundle)
        if again or not _is_good(folder / name, name, now):
            write_identity(folder / name, *issue(_signer(authorities, now), name, now=now), bundle)
            made.append(name)
    return made


def new_authority(now: datetime | None = None) -> Authority:
    """An authority that nobody knows yet. It can vouch for names of the mesh alone."""
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    # No two have one name: whose certificate one is would be hard to see.
    own_name = f"Caravel {now:%Y-%m-%d} {secrets.token_hex(4)}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, own_name)])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(name, name, key, now, AUTHORITY_LIFETIME)
    for extension, critical in (
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (usage, True),
        (x509.NameConstraints([x509.DNSName(DOMAIN)], None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return Authority(certificate=builder.sign(key, hashes.SHA256()), key=key)


def issue(
    by: Authority, service: str, *, now: datetime | None = None, lifetime: timedelta = LIFETIME
) -> tuple[bytes, bytes]:
    """A new key and its certificate, both PEM, for a service."""
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host_name(service))])
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if service not in CLIENTS:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    builder = _builder(name, by.certificate.subject, key, now, lifetime)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([x509.DNSName(host_name(service))]), False),
        (x509.ExtendedKeyUsage(usages), False),
        (identifier, False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(by.key, hashes.SHA256())
    return _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM)


def write_identity(folder: Path, key: bytes, certificate: bytes, authorities: bytes) -> None:
    """Puts the files of one service in place, each whole, the key before its certificate."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in (
        (AUTHORITY_FILE, authorities),
        (KEY_FILE, key),
        (CERTIFICATE_FILE, certificate),
    ):
        _put(folder / name, text)


def _builder(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - BEFORE,
        not_valid_after=now + lifetime,
    )


def _authorities(folder: Path, now: datetime, *, another: bool) -> list[Authority]:
    """All authorities that are valid, the oldest first; the newest is made where it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = [one for one in _read_authorities(folder) if one.certificate.not_valid_after_utc > now]
    if another or not known or _is_half_over(known[-1].certificate, now):
        made = new_authority(now)
        number = f"{made.certificate.serial_number:x}"
        # The key first: an authority without one would be of no use.
        _put(folder / f"{number}.key", _key_pem(made.key))
        _put(folder / f"{number}.crt", made.pem)
        known.append(made)
    return known


def _read_authorities(folder: Path) -> list[Authority]:
    found = filter(None, map(_read_authority, folder.glob("*.crt")))
    return sorted(found, key=lambda one: one.certificate.not_valid_before_utc)


def _read_authority(file: Path) -> Authority | None:
    """The authority, or none: what is damaged is of no use, and another one takes its place."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        key = serialization.load_pem_private_key(file.with_suffix(".key").read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key():
        return Authority(certificate=certificate, key=key)
    return None


def _trust(folder: Path, bundle: bytes) -> None:
    """Has a service trust these authorities, where it has any files yet."""
    file = folder / AUTHORITY_FILE
    if file.is_file() and file.read_bytes() != bundle:
        _put(file, bundle)


def _is_good(folder: Path, service: str, now: datetime) -> bool:
    """Whether the files are of use, and will be for a while."""
    try:
        known = read_certificate(files_in(folder), now)
    except IdentityUnusable:
        return False
    leaf = x509.load_pem_x509_certificate(known.certificate)
    return known.service == service and not _is_half_over(leaf, now)


def _signer(authorities: list[Authority], now: datetime) -> Authority:
    """The newest authority that everybody knows; the oldest, where all are new."""
    known = [
        one
        for one in authorities
        if one.certificate.not_valid_before_utc + BEFORE + KNOWN_AFTER <= now
    ]
    return (known or authorities[:1])[-1]


def _is_half_over(certificate: x509.Certificate, now: datetime) -> bool:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begins + (ends - begins) / 2


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _put(path: Path, text: bytes) -> None:
    # Whole, and its owner's alone from the first moment on.
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(text)
    unfinished.replace(path)


def main() -> None:
    """Makes the certificates, once or again and again until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m deploy.authority", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where they lie, in a folder for each service")
    parser.add_argument("--stay", action="store_true", help="go on, and renew in time")
    parser.add_argument("--again", action="store_true", help="make every certificate once more")
    parser.add_argument(
        "--replace-authority",
        action="store_true",
        help="make another authority, which signs from tomorrow on",
    )
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    forced = {"again": arguments.again, "replace_authority": arguments.replace_authority}
    while True:
        made = renew(arguments.folder, **forced)
        sys.stdout.write(f"certificates made: {', '.join(made) or 'none was needed'}\n")
        sys.stdout.flush()
        forced = {}
        if not arguments.stay or stop.wait(STAY_SECONDS):
            return


if __name__ == "__main__":
    main()
