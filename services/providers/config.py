"""The settings of this service, beside those of every service, and its refusals to start:
a sandbox reaches nothing but the simulator, real providers are reached by TLS only, and live keys
never meet test keys. Each adapter declares its own variables in its own folder; they are read only
where a corridor names the provider."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from services.providers.adapters import ADAPTERS
from services.providers.breaker import BreakerPolicy
from services.providers.secrets import SecretFiles
from services.shared.corridors import load_corridors
from services.shared.env import Deployment, Field, SecretStr, Settings
from services.shared.errors import CannotStart


class UnsafeProviders(CannotStart):
    """Real and simulated money could meet; the message names every variable that is wrong."""


class AdapterMissing(CannotStart):
    """A corridor or a variable names a provider that has no adapter."""


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",")]
    if not all(name.strip() and number.strip() for name, _, number in pairs):
        raise ValueError("must be of the form provider=number,provider=number")
    return {name.strip(): number.strip() for name, _, number in pairs}


Positive = Annotated[int, Field(ge=1)]
# A number for each provider that is named.
Caps = Annotated[Mapping[str, Positive], BeforeValidator(_pairs)]


class Config(Settings):
    """Settings of the providers service."""

    # How the keys of the providers that are needed begin, by what they move.
    live_keys: ClassVar[tuple[str, ...]] = ()
    test_keys: ClassVar[tuple[str, ...]] = ()

    corridors_dir: Path = Field(description="Folder of the corridor files, deploy/corridors.")
    simulator_url: str = Field(
        "", description="Address of the simulator: the only one that a sandbox may use."
    )
    retired_providers: Annotated[Sequence[str], BeforeValidator(_names)] = Field(
        (),
        description="Providers that no corridor names any more, while payments through them are "
        "open; comma-separated.",
    )
    provider_concurrency: Caps = Field(
        {}, description="Calls to a provider at once, name=number,name=number; 64 if not named."
    )
    provider_rates: Caps = Field(
        {}, description="Calls to a provider per second, name=number; no limit if not named."
    )
    breaker_faults_in_a_row: Positive = Field(
        BreakerPolicy.faults_in_a_row,
        description="So many faults of a provider in a row, and nothing is sent to it.",
    )
    breaker_fault_percent: Positive = Field(
        BreakerPolicy.fault_percent,
        le=100,
        description=f"Or this share of its last {BreakerPolicy.window} operations.",
    )
    breaker_pause_seconds: Decimal = Field(
        Decimal(str(BreakerPolicy.pause_seconds)),
        gt=0,
        description="Until the first probe; doubled up to 60 s as it goes on.",
    )

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """Reads the variables, with those of each provider that is needed; secrets that come from
        files follow them.

        Raises SettingsError, CorridorsError, AdapterMissing, UnsafeProviders.
        """
        own = super().load(environment)
        needs = own.needed_providers()
        parts = {ADAPTERS[name].settings: need for name, need in needs.items()}
        extended = cls.with_parts(list(parts.items()))
        extended.live_keys = tuple(prefix for part in parts for prefix in part.live_keys)
        extended.test_keys = tuple(prefix for part in parts for prefix in part.test_keys)
        environment = own._with_simulator(environment)
        config = extended._read(environment)

        def read_again(changed: Mapping[str, str]) -> Config:
            again = extended._read(changed)
            if again._modes() != config._modes():
                raise UnsafeProviders("test and live keys change places at a start only")
            return again

        secrets = SecretFiles(config, environment, read_again)
        return config.model_copy(update=secrets.handles())

    @property
    def _is_sandbox(self) -> bool:
        return self.deployment is Deployment.SANDBOX

    def needed_providers(self) -> Mapping[str, str]:
        """The providers that corridors or RETIRED_PROVIDERS name, each with what needs it.

        Raises CorridorsError, AdapterMissing.
        """
        needs: dict[str, str] = {}
        for corridor in load_corridors(self.corridors_dir, sandbox=self._is_sandbox):
            for name in (*corridor.providers.onramps, *corridor.providers.offramps):
                _refuse_unknown(name, f"corridor {corridor.id}")
                needs.setdefault(name, f"corridor {corridor.id} names {name}")
        for name in self.retired_providers:
            _refuse_unknown(name, "RETIRED_PROVIDERS")
            needs.setdefault(name, f"RETIRED_PROVIDERS names {name}")
        return dict(sorted(needs.items()))

    def _with_simulator(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """In a sandbox a provider without an address of its own is at the simulator."""
        if not self._is_sandbox or not self.simulator_url:
            return environment
        simulator = self.simulator_url.rstrip("/")
        addresses = {
            f"{name.upper()}_BASE_URL": f"{simulator}{ADAPTERS[name].settings.simulator_path}"
            for name in self.needed_providers()
        }
        return addresses | {name: text for name, text in environment.items() if text}

    @classmethod
    def _read(cls, environment: Mapping[str, str]) -> Self:
        config = super().load(environment)
        if problems := list(config._problems()):
            raise UnsafeProviders("; ".join(problems))
        return config

    def _problems(self) -> Iterator[str]:
        for name in type(self).model_fields:
            variable, value = name.upper(), getattr(self, name)
            if name.endswith("_base_url"):
                if self._is_sandbox and not _is_under(value, self.simulator_url):
                    yield f"a sandbox needs {variable} to be under SIMULATOR_URL"
                elif not self._is_sandbox and urlsplit(value).scheme != "https":
                    yield f"{variable} must be https:// outside a sandbox"
        live, test = self._modes()
        if live and self._is_sandbox:
            yield f"{' and '.join(live)}: a live key, and this is a sandbox"
        elif live and test:
            yield f"{' and '.join(live)} live, {' and '.join(test)} test: use keys of one mode only"

    def _modes(self) -> tuple[list[str], list[str]]:
        """Which keys move real money, and which move none."""
        return self._holding(self.live_keys), self._holding(self.test_keys)

    def _holding(self, prefixes: tuple[str, ...]) -> list[str]:
        """The variables in which a secret begins like this; some providers sign with API keys."""
        return [
            name.upper()
            for name in type(self).model_fields
            if any(
                secret.get_secret_value().strip().startswith(prefixes)
                for secret in _secrets(getattr(self, name))
            )
        ]


def _refuse_unknown(name: str, where: str) -> None:
    if name not in ADAPTERS:
        raise AdapterMissing(f"{where}: no adapter is called {name}")


def _secrets(value: object) -> Iterable[SecretStr]:
    if isinstance(value, SecretStr):
        return [value]
    many = value if isinstance(value, Sequence) else ()
    return [one for one in many if isinstance(one, SecretStr)]


def _is_under(url: str, root: str) -> bool:
    inner, outer = urlsplit(url), urlsplit(root)
    if not outer.netloc:
        return False
    same_origin = (inner.scheme, inner.netloc) == (outer.scheme, outer.netloc)
    folder = outer.path.rstrip("/")
    return same_origin and (inner.path == folder or inner.path.startswith(f"{folder}/"))
