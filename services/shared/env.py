"""Settings from the environment. Each service has one frozen, documented subclass of Settings; all
that is missing, malformed or not for this deployment is reported at once, in sentences, and never
with a secret's value."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, create_model

from services.shared.deployment import Deployment
from services.shared.errors import CannotStart
from services.shared.secret_files import SecretFiles
from services.shared.well_known import is_well_known

__all__ = [
    "Deployment",
    "Field",
    "Port",
    "SecretStr",
    "Settings",
    "SettingsError",
    "UnsafeDeployment",
    "is_loopback",
    "secrets_in",
    "value_of",
]

Port = Annotated[int, Field(ge=0, le=65535)]


_DEPLOYMENTS = f"{', '.join(list(Deployment)[:-1])} or {list(Deployment)[-1]}"


class SettingsError(CannotStart):
    """The environment does not hold what the process needs; the message lists all of it."""


class UnsafeDeployment(CannotStart):
    """The settings are not for this deployment; the message says of each what to change."""


class Settings(BaseModel):
    """The settings of every process. NAME_FILE may name a file of the value in place of NAME."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Where not every process of this class reads a variable: what needs it.
    needed_by: ClassVar[Mapping[str, str]] = {}

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=0, description="gRPC port; 0 lets the system choose.")
    metrics_port: Port = Field(
        default=0, description="Port of the Prometheus page; 0 switches it off."
    )
    build_commit: str = Field(
        default="unknown", description="The commit of the code, shown among the metrics."
    )
    otel_exporter_otlp_endpoint: str = Field(
        default="",
        pattern=r"^(http://[\w.-]+:[0-9]{1,5}/?)?$",
        description="http://host:port of a collector that takes spans by OTLP over gRPC; without "
        "it there are none.",
    )
    otel_traces_sampler_arg: float = Field(
        default=1.0, ge=0, le=1, description="The share of traces whose spans are exported."
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    deployment: Deployment = Field(description=_DEPLOYMENTS)
    private_network: bool = Field(
        default=False,
        description="True where HOST is in a network of the mesh's own, as in the images; a "
        "sandbox then need not listen on loopback.",
    )

    @classmethod
    def with_parts(cls, parts: Sequence[tuple[type[BaseModel], str]]) -> type[Self]:
        """This class with the variables of the parts; each part's text says what needs them."""
        bases: Any = (*(part for part, _ in parts), cls)
        extended: type[Self] = create_model(cls.__name__, __base__=bases, __doc__=cls.__doc__)
        extended.needed_by = {
            **cls.needed_by,
            **{
                name: need
                for part, need in parts
                for name in part.model_fields
                if name not in cls.model_fields
            },
        }
        return extended

    @classmethod
    def load(cls, environment: Mapping[str, str], now: Callable[[], float] = time.time) -> Self:
        """Reads the variables of this class, NAME or NAME_FILE; secrets that come from files follow
        them, by the clock `now`.

        Raises SettingsError, UnsafeDeployment.
        """
        config = cls.read(environment)
        secrets = SecretFiles(config, environment, config.read_again, now)
        return config.model_copy(update=secrets.handles())

    def read_again(self, environment: Mapping[str, str]) -> Self:
        """Settings with a changed secret. Raises CannotStart where these settings do not become
        them while running."""
        return type(self).read(environment)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Reads the variables as they are now. Raises SettingsError, UnsafeDeployment."""
        values: dict[str, str] = {}
        problems: dict[str, str] = {}
        for name in cls.model_fields:
            variable = name.upper()
            try:
                if value := value_of(variable, environment):
                    values[name] = value
            except SettingsError as problem:
                problems[variable] = str(problem)
        try:
            config = cls.model_validate(values)
        except ValidationError as error:
            for item in error.errors(include_input=False):
                variable = ".".join(map(str, item["loc"])).upper()
                need = cls.needed_by.get(str(item["loc"][0]), "")
                words = f"{variable}: {item['msg'].lower()}{f' ({need})' if need else ''}"
                if variable == "DEPLOYMENT":
                    words = f"{variable} must be {_DEPLOYMENTS}"
                problems.setdefault(variable, words)
        if problems:
            raise SettingsError(f"the environment cannot be used: {'; '.join(problems.values())}")
        if refusals := list(config.refusals()):
            raise UnsafeDeployment("; ".join(refusals))
        return config

    def refusals(self) -> Iterator[str]:
        """Each thing that the deployment does not allow, as a sentence that says what to change."""
        if self.deployment is Deployment.SANDBOX:
            if not self.private_network and not is_loopback(self.host):
                yield "HOST must be 127.0.0.1 in a sandbox, whose calls need no key"
            return
        for name in type(self).model_fields:
            if any(is_well_known(secret) for secret in secrets_in(getattr(self, name))):
                yield (
                    f"{name.upper()} is the value of the sandbox in docker-compose.yml, which "
                    f"anybody can read; make another for {self.deployment}"
                )


def value_of(variable: str, environment: Mapping[str, str]) -> str | None:
    """The variable's value, or what its file says; None or empty where there is neither.

    Raises SettingsError where both are given, and where the file cannot be read.
    """
    value, file = environment.get(variable), environment.get(f"{variable}_FILE")
    if not file:
        return value
    if value:
        raise SettingsError(f"{variable} and {variable}_FILE are both set; keep one")
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeError) as error:
        why = f"{file} cannot be read ({type(error).__name__})"
        raise SettingsError(f"{variable}_FILE: {why}") from None


def secrets_in(value: object) -> Iterable[str]:
    """The secrets that a setting holds, where it holds any."""
    many = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    return [one.get_secret_value() for one in many if isinstance(one, SecretStr)]


def is_loopback(host: str) -> bool:
    """Whether this is an address, or the name, of this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
