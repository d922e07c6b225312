"""The mesh's own authority: who gets which certificate, and when another one."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.authority import AUTHORITY_LIFETIME, CLIENTS, LIFETIME, SERVICES, renew
from services.shared.certificates import files_in, host_name, read_certificate

NOW = datetime.now(UTC)


def leaf(folder: Path, service: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / service / "tls.crt").read_bytes())


def authorities(folder: Path, service: str = "fees") -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((folder / service / "ca.crt").read_bytes())


@pytest.fixture
def made(tmp_path: Path) -> Path:
    assert renew(tmp_path, now=NOW) == list(SERVICES)
    return tmp_path


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_gets_a_certificate_in_its_own_name(made: Path, service: str) -> None:
    certificate = leaf(made, service)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert read_certificate(files_in(made / service)).service == service
    assert names.get_values_for_type(x509.DNSName) == [host_name(service)]
    # Nobody can pretend to serve with the certificate of one who only calls.
    is_server = ExtendedKeyUsageOID.SERVER_AUTH in usages
    assert is_server == (service not in CLIENTS)
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usages


def test_every_file_is_its_owner_s_alone(made: Path) -> None:
    for path in made.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_the_authority_s_key_is_in_no_service_s_folder(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == {*SERVICES, "authority"}
    for service in SERVICES:
        names = {path.name for path in (made / service).iterdir()}
        assert names == {"tls.crt", "tls.key", "ca.crt"}


def test_the_authority_can_vouch_for_names_of_the_mesh_alone(made: Path) -> None:
    [authority] = authorities(made)
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)

    assert constraints.critical
    assert constraints.value.permitted_subtrees == [x509.DNSName("caravel.internal")]


def test_nothing_is_made_again_before_half_of_its_time_is_over(made: Path) -> None:
    assert renew(made, now=NOW + LIFETIME / 2 - timedelta(hours=1)) == []
    assert renew(made, now=NOW + LIFETIME / 2 + timedelta(hours=1)) == list(SERVICES)


def test_only_the_certificate_that_is_damaged_is_made_again(made: Path) -> None:
    before = leaf(made, "fx")
    (made / "fees" / "tls.key").write_bytes((made / "fx" / "tls.key").read_bytes())

    assert renew(made, now=NOW) == ["fees"]
    assert leaf(made, "fx") == before


def test_all_of_them_are_made_again_on_request(made: Path) -> None:
    before = {service: leaf(made, service) for service in SERVICES}

    assert renew(made, now=NOW, again=True) == list(SERVICES)
    assert not [service for service in SERVICES if leaf(made, service) == before[service]]


def test_a_new_authority_is_known_everywhere_before_it_signs(made: Path) -> None:
    old, [authority] = leaf(made, "fees"), authorities(made)

    # From now on everybody trusts both, and nobody shows another certificate yet.
    assert renew(made, now=NOW + timedelta(minutes=1), replace_authority=True) == []
    assert len(authorities(made)) == 2
    assert leaf(made, "fees") == old

    later = NOW + LIFETIME / 2 + timedelta(hours=1)
    assert renew(made, now=later) == list(SERVICES)
    assert leaf(made, "fees").issuer != authority.subject
    for service in SERVICES:
        assert read_certificate(files_in(made / service), later).service == service


def test_an_authority_is_replaced_in_time_and_forgotten_after_its_end(made: Path) -> None:
    [authority] = authorities(made)
    now = NOW
    while now < NOW + AUTHORITY_LIFETIME + timedelta(days=2):
        now += LIFETIME / 2
        renew(made, now=now)
        assert read_certificate(files_in(made / "fees"), now).expires_at > now

    assert authority not in authorities(made)


@pytest.mark.parametrize("suffix", [".crt", ".key"])
@pytest.mark.parametrize("content", [b"", b"noise", None])
def test_a_damaged_authority_gives_way_to_another(
    made: Path, suffix: str, content: bytes | None
) -> None:
    [file] = (made / "authority").glob(f"*{suffix}")
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)

    assert renew(made, now=NOW) == list(SERVICES)
    assert all(read_certificate(files_in(made / service)) for service in SERVICES)


def test_after_a_long_sleep_all_of_it_is_made_again(made: Path) -> None:
    much_later = NOW + 2 * AUTHORITY_LIFETIME

    assert renew(made, now=much_later) == list(SERVICES)
    assert read_certificate(files_in(made / "fees"), much_later)


def test_the_command_makes_them_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.authority", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"certificates made: {', '.join(SERVICES)}\n"
    assert read_certificate(files_in(tmp_path / "payments")).service == "payments"
