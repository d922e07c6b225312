"""The settings of payments: of the service, and of its worker."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator

from services.payments.merchants.tokens.opening import TokenSettings
from services.payments.model.timing import (
    AUDIT_SECONDS,
    EVENTS_SECONDS,
    LEASE_SECONDS,
    OVERDUE_SECONDS,
    POLL_SECONDS,
)
from services.payments.model.timing_fit import Times
from services.payments.webhooks_out.addresses import Targets
from services.shared.db import NEEDS_PROOF, is_unverified
from services.shared.db_address import servers_of
from services.shared.env import Deployment, Field, SecretStr, Settings, is_loopback


def _address(secret: SecretStr) -> SecretStr:
    servers_of(secret.get_secret_value())
    return secret


class DatabaseSettings(Settings):
    """The variables of every process of payments."""

    database_url: Annotated[SecretStr, AfterValidator(_address)] = Field(
        description="postgresql:// address of the application role, with its password; of several "
        "servers with target_session_attrs=read-write."
    )

    def refusals(self) -> Iterator[str]:
        """Also a way to the database on which somebody may read along, where money is real."""
        yield from super().refusals()
        if self.is_live and is_unverified(self.database_url.get_secret_value()):
            yield f"DATABASE_URL {NEEDS_PROOF}"

    @property
    def is_live(self) -> bool:
        """Whether money is real."""
        return self.deployment is Deployment.LIVE


class AuditSettings(DatabaseSettings):
    """The variables of `python -m services.payments.verify`, and of the worker, which audits
    too."""

    overdue_seconds: float = Field(
        default=OVERDUE_SECONDS, gt=0, description="When a payment that is due counts as forgotten."
    )


class AdminSettings(DatabaseSettings):
    """The variables of `python -m services.payments.admin` and of `explain`."""


class RecoverSettings(AdminSettings):
    """The variables of `python -m services.payments.recover start`."""

    providers_target: str = Field(description="host:port of providers; a name may hide many.")


class MeshSettings(DatabaseSettings):
    """The variables of the service and of the worker."""

    providers_target: str = Field(description="host:port of providers; a name may hide many.")
    own_ports: str = Field(
        default="",
        pattern=r"^([0-9]{1,5}(,[0-9]{1,5})*)?$",
        description="Ports of this machine that a sandbox sends no webhook to, with commas.",
    )

    @property
    def targets(self) -> Targets:
        """Where merchants' webhooks may go."""
        named = {int(port) for port in self.own_ports.split(",") if port}
        return Targets(
            loopback=self.deployment is Deployment.SANDBOX,
            own_ports=frozenset({*named, self.port, self.metrics_port}),
        )


class ServiceSettings(MeshSettings):
    """The variables of `python -m services.payments`."""

    fees_target: str = Field(description="host:port of fees.")
    fx_target: str = Field(description="host:port of fx.")
    corridors_dir: Path = Field(description="Folder of the corridor files.")
    token_issuer: str = Field(
        default="http://127.0.0.1:8080",
        max_length=200,
        description="URL at which merchants reach the API, and the issuer of its tokens.",
    )
    token_signing_keys: SecretStr | None = Field(
        default=None, description="Ed25519 keys in PEM that sign tokens; without it none is issued."
    )
    token_issuers_file: Path | None = Field(
        default=None, description="TOML file of the foreign issuers whose tokens are taken."
    )
    limits_file: Path | None = Field(
        default=None, description="TOML file of merchants' limits, where the usual ones do not do."
    )
    exposure_limits_file: Path | None = Field(
        default=None, description="TOML file of the most that we may owe of a currency."
    )
    policy_file: Path | None = Field(
        default=None,
        description="TOML file of the verbs that need two operators, and of their bounds.",
    )
    database_folder: str = Field(
        default="", description="The database's folder, where it is on this machine."
    )
    batch_max: int = Field(
        default=256, ge=1, le=1000, description="Most payments that one commit creates."
    )
    waiting_max: int = Field(
        default=2048, ge=1, description="Most creations that wait; above it callers get OVERLOADED."
    )

    @property
    def tokens(self) -> TokenSettings:
        """The issuers and keys of tokens."""
        return TokenSettings(
            issuer=self.token_issuer,
            signing_keys=self.token_signing_keys,
            issuers=self.token_issuers_file,
            plain_http=self.deployment is Deployment.SANDBOX or self._is_staging_here,
        )

    @property
    def _is_staging_here(self) -> bool:
        """Whether this is a staging deployment that merchants reach on this machine alone."""
        host = urlsplit(self.token_issuer).hostname or ""
        return self.deployment is Deployment.STAGING and is_loopback(host)


class WorkerSettings(MeshSettings, AuditSettings):
    """The variables of `python -m services.payments.worker`."""

    fx_target: str = Field(description="host:port of fx, for money that came late.")
    lease_seconds: int = Field(
        default=LEASE_SECONDS,
        gt=0,
        description="How long a claim lasts; longer than a provider call may.",
    )
    claim_max: int = Field(default=64, ge=1, le=500, description="Most payments in one claim.")
    under_way_max: int = Field(
        default=512, ge=1, description="Most payments that one worker has under way."
    )
    poll_seconds: float = Field(
        default=POLL_SECONDS,
        gt=0,
        description="How often to look for due payments when nobody calls.",
    )
    audit_seconds: float = Field(
        default=AUDIT_SECONDS,
        ge=0,
        description="How often the worker verifies the database; 0 switches it off.",
    )
    events_seconds: float = Field(
        default=EVENTS_SECONDS,
        gt=0,
        description="How often to read the events that a provider keeps, lest one was lost.",
    )

    @property
    def pace(self) -> Mapping[str, Any]:
        """How much a worker takes, how often, and for how long."""
        names = ("claim_max", "under_way_max", "lease_seconds", "poll_seconds")
        return {name: getattr(self, name) for name in names}

    @property
    def times(self) -> Times:
        """The times that must fit together."""
        return Times(
            lease=timedelta(seconds=self.lease_seconds),
            poll=timedelta(seconds=self.poll_seconds),
            overdue=timedelta(seconds=self.overdue_seconds),
        )
