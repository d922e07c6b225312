"""The settings of this service, beside those of every service. Each source declares its own
variables in its own file; they are read only where a corridor names the source."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

from services.fx.sources import SOURCES, registration
from services.fx.sources.http import address_problem
from services.fx.sources.kit import Registration
from services.shared.corridors import load_corridors
from services.shared.env import Deployment, Field, Settings


class Config(Settings):
    """Settings of the fx service."""

    corridors_dir: Path = Field(description="Folder of the corridor files, deploy/corridors.")

    @classmethod
    def load(
        cls,
        environment: Mapping[str, str],
        now: Callable[[], float] = time.time,
        *,
        sources: Mapping[str, Registration] = SOURCES,
    ) -> Self:
        """Reads the variables, with those of each source that is needed.

        Raises SettingsError, CorridorsError, UnsafeDeployment.
        """
        own = cls.read(environment)
        needs: dict[str, str] = {}
        live = own.deployment is Deployment.LIVE
        for corridor in load_corridors(own.corridors_dir, live=live):
            for name in corridor.fx.sources:
                needs.setdefault(name, f"corridor {corridor.id} names {name}")
        # Names that are no source's are refused where the sources are opened.
        known = [(registration(name, sources), need) for name, need in needs.items()]
        parts = [(one.settings, need) for one, need in known if one and one.settings]
        return super(Config, cls.with_parts(parts)).load(environment, now)

    def refusals(self) -> Iterator[str]:
        """Also the addresses of sources that no key may be sent to."""
        yield from super().refusals()
        for name in type(self).model_fields:
            if name.endswith("_url") and (
                problem := address_problem(getattr(self, name), self.deployment)
            ):
                yield f"{name.upper()} {problem}"
