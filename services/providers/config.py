"""The settings of this service, beside those of every service. The mixes of keys and addresses that
its deployment does not allow are in mixes. Each adapter declares its own variables in its own
folder; they are read only where a corridor names the provider."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.settings import ProviderSettings
from services.providers.breaker import BreakerPolicy
from services.providers.mixes import mixes, modes
from services.shared.corridors import load_corridors
from services.shared.env import Deployment, Field, Settings, UnsafeDeployment
from services.shared.errors import CannotStart


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

    # The settings of the providers that are needed.
    parts: ClassVar[tuple[type[ProviderSettings], ...]] = ()

    corridors_dir: Path = Field(description="Folder of the corridor files, deploy/corridors.")
    simulator_url: str = Field(
        "",
        description="Address of the simulator: the only one that a sandbox may use; staging may, "
        "and nothing live.",
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
    def load(cls, environment: Mapping[str, str], now: Callable[[], float] = time.time) -> Self:
        """Reads the variables, with those of each provider that is needed.

        Raises SettingsError, CorridorsError, AdapterMissing, UnsafeDeployment.
        """
        own = cls.read(environment)
        needs = own.needed_providers()
        parts = {ADAPTERS[name].settings: need for name, need in needs.items()}
        extended = cls.with_parts(list(parts.items()))
        extended.parts = tuple(parts)
        return super(Config, extended).load(own._with_simulator(environment), now)

    def read_again(self, environment: Mapping[str, str]) -> Self:
        """Refuses a key that moves money in place of one that moves none, and the reverse."""
        again = super().read_again(environment)
        if modes(again, self.parts) != modes(self, self.parts):
            raise UnsafeDeployment("test and live keys change places at a start only")
        return again

    def needed_providers(self) -> Mapping[str, str]:
        """The providers that corridors or RETIRED_PROVIDERS name, each with what needs it.

        Raises CorridorsError, AdapterMissing.
        """
        needs: dict[str, str] = {}
        live = self.deployment is Deployment.LIVE
        for corridor in load_corridors(self.corridors_dir, live=live):
            for name in (*corridor.providers.onramps, *corridor.providers.offramps):
                _refuse_unknown(name, f"corridor {corridor.id}")
                needs.setdefault(name, f"corridor {corridor.id} names {name}")
        for name in self.retired_providers:
            _refuse_unknown(name, "RETIRED_PROVIDERS")
            needs.setdefault(name, f"RETIRED_PROVIDERS names {name}")
        return dict(sorted(needs.items()))

    def _with_simulator(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Where there is a simulator, a provider without an address of its own is there."""
        if self.deployment is Deployment.LIVE or not self.simulator_url:
            return environment
        simulator = self.simulator_url.rstrip("/")
        addresses = {
            f"{name.upper()}_BASE_URL": f"{simulator}{ADAPTERS[name].settings.simulator_path}"
            for name in self.needed_providers()
        }
        return addresses | {name: text for name, text in environment.items() if text}

    def refusals(self) -> Iterator[str]:
        """Also the keys and addresses that do not go with the deployment, or with each other."""
        yield from super().refusals()
        if self.parts:
            yield from mixes(self, self.parts)


def _refuse_unknown(name: str, where: str) -> None:
    if name not in ADAPTERS:
        raise AdapterMissing(f"{where}: no adapter is called {name}")
