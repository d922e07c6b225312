"""The settings of the console, beside those of every service."""

from collections.abc import Iterator, Sequence
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import AfterValidator, BeforeValidator

from services.shared.env import Deployment, Field, Port, SecretStr, Settings, is_loopback


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _all_keys(secrets: Sequence[SecretStr]) -> Sequence[SecretStr]:
    for secret in secrets:
        try:
            Fernet(secret.get_secret_value())
        except ValueError:
            raise ValueError("each must be 32 random bytes in URL-safe base64") from None
    return secrets


def _origin(url: str) -> str:
    parts = urlsplit(url.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http:// or https:// and a host")
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must have nothing behind its host and port")
    # As a browser writes it: in small letters, without the usual port.
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


# The first one seals, and every one opens, so that a key can be replaced.
SessionKeys = Annotated[Sequence[SecretStr], BeforeValidator(_split), AfterValidator(_all_keys)]


class ConsoleSettings(Settings):
    """The variables of `python -m gateway.console`."""

    http_port: Port = Field(default=8090, description="Port of the pages, for the gateway alone.")
    payments_target: str = Field(description="host:port of payments.")
    console_url: Annotated[str, AfterValidator(_origin)] = Field(
        default="http://127.0.0.1:8081", description="URL at which operators reach the console."
    )
    session_keys: SessionKeys = Field(
        default=(),
        description="Keys that seal sessions, with commas, the newest first; a sandbox makes one.",
    )
    session_hours: float = Field(
        default=8, gt=0, le=24, description="After how long a session ends in any case."
    )
    session_idle_minutes: float = Field(
        default=30, gt=0, le=240, description="After how long without a request a session ends."
    )
    oidc_issuer: str = Field(
        default="", description="OpenID provider of the operators; without it keys alone sign in."
    )
    oidc_client_id: str = Field(default="", description="Name of the console at the provider.")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Secret of the console at the provider, where it has one."
    )
    oidc_scopes: str = Field(
        default="openid",
        description="Scopes to ask the provider for, with blanks; openid is one of them.",
    )

    @property
    def is_secure(self) -> bool:
        """Whether operators reach the console by TLS."""
        return self.console_url.startswith("https://")

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends an operator back to."""
        return f"{self.console_url}/sign-in/callback"

    def refusals(self) -> Iterator[str]:
        """See Settings.refusals."""
        yield from super().refusals()
        is_here = is_loopback(urlsplit(self.console_url).hostname or "")
        plain = self.deployment is not Deployment.LIVE and is_here
        if not self.is_secure and not plain:
            yield "CONSOLE_URL must begin with https://, except on loopback where no money is real"
        if not self.session_keys and self.deployment is not Deployment.SANDBOX:
            yield f"SESSION_KEYS is needed for {self.deployment}"
        if self.oidc_issuer:
            yield from self._provider_refusals(plain=plain)

    def _provider_refusals(self, *, plain: bool) -> Iterator[str]:
        if not self.oidc_client_id:
            yield "OIDC_CLIENT_ID is needed beside OIDC_ISSUER"
        if "openid" not in self.oidc_scopes.split():
            yield "OIDC_SCOPES must have openid among them"
        if not self.oidc_issuer.startswith("https://") and not plain:
            yield "OIDC_ISSUER must begin with https://"
