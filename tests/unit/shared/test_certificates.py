"""The three files are an identity only where they fit together; each refusal names the file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.authority import Authority, issue, new_authority, write_identity
from services.shared.certificates import (
    IdentityFiles,
    IdentityUnusable,
    files_in,
    host_name,
    read_certificate,
    service_of,
)

AUTHORITY, OTHER = new_authority(), new_authority()


def written(
    folder: Path, by: Authority = AUTHORITY, trusted: bytes = AUTHORITY.pem
) -> IdentityFiles:
    write_identity(folder, *issue(by, "fees"), trusted)
    return files_in(folder)


def test_files_that_fit_name_their_service_and_their_end(tmp_path: Path) -> None:
    certificate = read_certificate(written(tmp_path))

    assert certificate.service == "fees"
    week = datetime.now(UTC) + timedelta(days=7)
    assert abs(certificate.expires_at - week) < timedelta(minutes=1)
    assert certificate.key not in repr(certificate).encode()


def test_a_bundle_of_two_authorities_trusts_both(tmp_path: Path) -> None:
    for by in (AUTHORITY, OTHER):
        files = written(tmp_path, by, AUTHORITY.pem + OTHER.pem)

        assert read_certificate(files).authorities == AUTHORITY.pem + OTHER.pem


def refusal(files: IdentityFiles, now: datetime | None = None) -> str:
    with pytest.raises(IdentityUnusable) as refused:
        read_certificate(files, now)
    return str(refused.value)


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    files = written(tmp_path)
    (tmp_path / name).unlink()

    assert refusal(files) == f"{tmp_path / name} cannot be read (FileNotFoundError)"


@pytest.mark.parametrize("content", ["empty", "half", "noise"])
@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
def test_a_file_that_is_not_whole_is_named_and_never_shown(
    tmp_path: Path, name: str, content: str
) -> None:
    files = written(tmp_path)
    text = (tmp_path / name).read_bytes()
    cut = {"empty": b"", "half": text[: len(text) // 2], "noise": bytes(range(256))}[content]
    (tmp_path / name).write_bytes(cut)

    said = refusal(files)

    assert said.startswith(f"{tmp_path / name} holds no ")
    assert "in PEM form" in said and len(said.splitlines()) == 1


def test_the_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    files = written(tmp_path)
    (tmp_path / "tls.key").write_bytes(issue(AUTHORITY, "fees")[0])

    assert refusal(files) == (
        f"the key in {tmp_path / 'tls.key'} is not that of the certificate in "
        f"{tmp_path / 'tls.crt'}"
    )


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    files = written(tmp_path)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    assert "is not that of the certificate" in refusal(files)


def test_a_key_behind_a_password_is_refused(tmp_path: Path) -> None:
    files = written(tmp_path)
    key = serialization.load_pem_private_key((tmp_path / "tls.key").read_bytes(), None)
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    assert "without a password" in refusal(files)


def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, by=OTHER))

    assert said.startswith(f"no authority in {tmp_path / 'ca.crt'} has issued the certificate")


@pytest.mark.parametrize("days", [-1, 8])
def test_a_certificate_out_of_its_time_is_refused(tmp_path: Path, days: int) -> None:
    said = refusal(written(tmp_path), datetime.now(UTC) + timedelta(days=days))

    assert "is valid from" in said and "and not now" in said


def test_a_certificate_that_names_no_service_of_the_mesh_is_refused(tmp_path: Path) -> None:
    """The authority's own has no name of a service."""
    key = AUTHORITY.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_identity(tmp_path, key, AUTHORITY.pem, AUTHORITY.pem)

    assert "must name one service as DNS:<service>.caravel.internal" in refusal(files_in(tmp_path))


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("fees.caravel.internal", "fees"),
        ("caravel.internal", ""),
        ("fees.caravel.internal.example.com", ""),
        ("payments.fees.caravel.internal", ""),
        ("fees", ""),
        ("", ""),
    ],
)
def test_only_names_of_the_mesh_are_services(name: str, service: str) -> None:
    assert service_of(name) == service
    assert not service or host_name(service) == name
