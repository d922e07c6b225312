"""The secrets of docker-compose.yml open nothing outside a sandbox, in whatever form they come."""

import base64
import re

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from services.shared.deployment import Deployment
from services.shared.env import Field, SecretStr, Settings, UnsafeDeployment
from services.shared.well_known import is_well_known
from tests.conftest import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text()
# Ports, and words that open nothing.
NO_SECRETS = re.compile(r"LOG_LEVEL|BUILD_COMMIT|CARAVEL_\w*PORT|OTEL_\w+")
PUBLISHED = {
    name: value
    for name, value in re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE)
    if not NO_SECRETS.fullmatch(name)
}
WALLET = PUBLISHED["LOCAL_WALLET_WEBHOOK_SECRET"]
PAIR = PUBLISHED["WISE_WEBHOOK_SECRET"]
_PUBLIC = load_der_private_key(base64.b64decode(PAIR), None).public_key()
PUBLIC = base64.b64encode(
    _PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


class Config(Settings):
    """One secret, and several."""

    database_url: SecretStr = Field(default=SecretStr("none"), description="Address.")
    secrets: tuple[SecretStr, ...] = Field(default=(), description="Several.")


def test_the_published_secrets_are_found_in_the_file() -> None:
    assert len(PUBLISHED) == 12


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_secret_is_known(name: str) -> None:
    assert is_well_known(PUBLISHED[name])
    assert is_well_known(f" {PUBLISHED[name]}\n")


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql://caravel_app:sandbox-application@db.example:5432/caravel",
        "postgresql://caravel_app:sandbox%2Dapplication@db.example/caravel?sslmode=require",
        "postgresql://caravel_app@db.example/caravel?password=sandbox-application",
        "postgresql+asyncpg://caravel:sandbox-owner@db/caravel",
        WALLET.rstrip("="),
        WALLET.removeprefix("whsec_"),
        PUBLIC,
        "\n".join(PUBLIC[at : at + 64] for at in range(0, len(PUBLIC), 64)),
    ],
)
def test_it_is_known_in_each_form_in_which_it_opens_the_same(secret: str) -> None:
    assert is_well_known(secret)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "postgresql://caravel_app:secret@sandbox-application/caravel",
        "sk_test_sandbox2",
        "MIIB",
        base64.b64encode(b"another secret").decode(),
    ],
)
def test_any_other_secret_is_not(secret: str) -> None:
    assert not is_well_known(secret)


@pytest.mark.parametrize("deployment", ["staging", "live"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_outside_a_sandbox_it_is_refused_without_its_value(name: str, deployment: str) -> None:
    secret = SecretStr(PUBLISHED[name])
    several = Config(deployment=Deployment(deployment), secrets=(SecretStr("x"), secret))

    with pytest.raises(UnsafeDeployment) as refused:
        Config.load({"DEPLOYMENT": deployment, "DATABASE_URL": PUBLISHED[name]})

    assert str(refused.value) == (
        "DATABASE_URL is the value of the sandbox in docker-compose.yml, which anybody can read; "
        f"make another for {deployment}"
    )
    assert [said.split()[0] for said in several.refusals()] == ["SECRETS"]
    assert Config.load({"DEPLOYMENT": "sandbox", "DATABASE_URL": PUBLISHED[name]})


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "::", "caravel.example"])
def test_a_sandbox_listens_on_loopback_alone(host: str) -> None:
    with pytest.raises(UnsafeDeployment, match=r"HOST must be 127\.0\.0\.1 in a sandbox"):
        Config.load({"DEPLOYMENT": "sandbox", "HOST": host})

    # In a network of its own nothing leaves that is not published.
    assert Config.load({"DEPLOYMENT": "sandbox", "HOST": host, "PRIVATE_NETWORK": "true"})
    assert Config.load({"DEPLOYMENT": "staging", "HOST": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_a_sandbox_starts_on_loopback(host: str) -> None:
    assert Config.load({"DEPLOYMENT": "sandbox", "HOST": host}).host == host
