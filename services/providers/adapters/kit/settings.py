"""Words that every adapter's settings share. Their names have a meaning for all of them:
`<provider>_base_url` is checked by the deployment, and a sandbox makes `<provider>_api_key` and
`<provider>_webhook_secrets`."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from services.shared.deployment import Deployment


class ProviderSettings(BaseModel):
    """The base of one adapter's variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Where below the simulator's address the provider's API begins.
    simulator_path: ClassVar[str] = ""
    # How its keys begin that move real money, and those that move none; a key of any other form
    # shows nothing.
    live_keys: ClassVar[tuple[str, ...]] = ()
    test_keys: ClassVar[tuple[str, ...]] = ()
    # Where its test mode is at another address: the hosts at which real money moves, and those at
    # which none does.
    live_hosts: ClassVar[tuple[str, ...]] = ()
    test_hosts: ClassVar[tuple[str, ...]] = ()

    # The service's own variable.
    deployment: Deployment = Field(description="Whether real money can move.")


class OfTheAccount:
    """Marks a setting of a company's own account: its default is the simulator's, and counts in a
    sandbox only."""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _not_empty(secrets: Sequence[SecretStr]) -> Sequence[SecretStr]:
    # An empty secret would let anybody sign.
    if not secrets or not all(secret.get_secret_value() for secret in secrets):
        raise ValueError("an empty secret signs for anybody")
    return secrets


def _no_slash(url: str) -> str:
    return url.rstrip("/")


# Comma-separated; any of them may have signed, so that a secret can be rotated.
Secrets = Annotated[Sequence[SecretStr], BeforeValidator(_split), AfterValidator(_not_empty)]
BaseUrl = Annotated[str, AfterValidator(_no_slash)]
