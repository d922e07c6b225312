"""What this service reads from the environment, beside what every service reads, and its refusals:
a sandbox reaches nothing but the simulator, and real providers are reached by TLS only. Each
adapter declares its own variables in its own file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from services.providers.adapters import AdapterSettings
from services.shared.env import Field, SecretStr, Settings
from services.shared.errors import CannotStart

LIVE_PREFIXES = ("sk_live_", "rk_live_")


class UnsafeProviders(CannotStart):
    """Real and simulated money could meet; the message names every variable that is wrong."""


class Config(AdapterSettings, Settings):
    """Settings of the providers service."""

    corridors_dir: Path = Field(description="Folder of the corridor files, deploy/corridors.")
    simulator_url: str = Field(
        "", description="Address of the simulator: the only one that a sandbox may use."
    )

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """Reads the variables. Raises SettingsError, UnsafeProviders."""
        config = super().load(environment)
        if problems := list(config._problems()):
            raise UnsafeProviders("; ".join(problems))
        return config

    def _problems(self) -> Iterator[str]:
        for name in type(self).model_fields:
            variable, value = name.upper(), getattr(self, name)
            if name.endswith("_base_url"):
                if self.sandbox and not _is_under(value, self.simulator_url):
                    yield f"a sandbox needs {variable} to be under SIMULATOR_URL"
                elif not self.sandbox and urlsplit(value).scheme != "https":
                    yield f"{variable} must be https:// outside a sandbox"
            elif self.sandbox and name.endswith("_api_key") and _is_live(value):
                yield f"{variable} is a live key, and this is a sandbox"


def _is_live(key: SecretStr) -> bool:
    return key.get_secret_value().strip().startswith(LIVE_PREFIXES)


def _is_under(url: str, root: str) -> bool:
    inner, outer = urlsplit(url), urlsplit(root)
    if not outer.netloc:
        return False
    same_origin = (inner.scheme, inner.netloc) == (outer.scheme, outer.netloc)
    folder = outer.path.rstrip("/")
    return same_origin and (inner.path == folder or inner.path.startswith(f"{folder}/"))
