"""Secrets that follow their files, so that a key is rotated without a restart: each use looks
whether the file has changed. A new content counts once it has stood for half a second and has
passed every check that the settings passed at the start; until then the old one goes on. Its user
cannot distinguish such a secret from one that never changes."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from pydantic import BaseModel, SecretStr

from services.shared.errors import CannotStart
from services.shared.file_version import Version, file_version
from services.shared.log import get_logger

# Reads variables into settings. Raises CannotStart, without a value in its message.
Check = Callable[[Mapping[str, str]], BaseModel]
# A file that changed more recently may be half written.
SETTLED_SECONDS = 0.5


def forbid_core_dumps() -> None:
    """A crash leaves no image of the memory, in which every secret stands in the clear."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class EmptyFile(CannotStart):
    """There is nothing in the file, as while it is being written."""


class SecretFiles:
    """The files that a configuration's secrets came from, and what they say now."""

    def __init__(
        self,
        settings: BaseModel,
        environment: Mapping[str, str],
        check: Check,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` is the clock of the file system, in seconds since 1970."""
        self._settings = settings
        self._check = check
        self._now = now
        self._paths = {
            name: Path(environment[f"{name.upper()}_FILE"])
            for name in type(settings).model_fields
            if _is_secret(getattr(settings, name)) and environment.get(f"{name.upper()}_FILE")
        }
        self._seen = {name: file_version(path) for name, path in self._paths.items()}
        # Each version that is not settled yet, and when it was first looked at.
        self._unsettled: dict[str, tuple[Version, float]] = {}
        hidden = {f"{name.upper()}_FILE" for name in self._paths}
        # With every secret's last good text, so that one broken file never hinders another.
        self._variables = {name: text for name, text in environment.items() if name not in hidden}
        for name, path in self._paths.items():
            self._variables[name.upper()] = path.read_text().strip()

    def handles(self) -> dict[str, Any]:
        """For each secret that came from a file, what to hold in place of its value."""
        return {name: self._handle(name) for name in self._paths}

    def current(self, name: str) -> Any:
        """The secret of this name, as its file has it; the last good one where that is none."""
        seen = file_version(self._paths[name])
        if seen != self._seen[name] and self._is_settled(name, seen):
            # Remembered first: a file that is refused is spoken of once, and not at every use.
            self._seen[name] = seen
            self._read(name)
        return getattr(self._settings, name)

    def _is_settled(self, name: str, version: Version) -> bool:
        now = self._now()
        if version is None or version[-1] <= (now - SETTLED_SECONDS) * 1e9:
            return True
        first = self._unsettled.get(name)
        if first is None or first[0] != version:
            self._unsettled[name] = (version, now)
            return False
        # The clock of a file server may be ahead of ours.
        return now - first[1] >= SETTLED_SECONDS

    def _read(self, name: str) -> None:
        variable, path = name.upper(), self._paths[name]
        try:
            text = path.read_text().strip()
            if file_version(path) != self._seen[name]:
                # Written while it was read; the next look finds it changed.
                return
            if not text:
                raise EmptyFile("the file is empty")
            if text == self._variables[variable]:
                _warn_of_lost(variable, path)
                return
            variables = {**self._variables, variable: text}
            self._settings = self._check(variables)
        except (OSError, UnicodeError) as error:
            why = type(error).__name__
            get_logger().warning("secret_kept", variable=variable, reason=f"cannot be read ({why})")
        except CannotStart as refused:
            get_logger().warning("secret_kept", variable=variable, reason=str(refused))
        else:
            self._variables = variables
            get_logger().info("secret_rotated", variable=variable)

    def _handle(self, name: str) -> "LiveSecret | LiveSecrets":
        if isinstance(getattr(self._settings, name), SecretStr):
            return LiveSecret(lambda: self.current(name))
        return LiveSecrets(lambda: self.current(name))


class LiveSecret(SecretStr):
    """One secret, read at each use."""

    def __init__(self, read: Callable[[], SecretStr]) -> None:
        # The base class's value is only shown, and masked.
        super().__init__("follows its file")
        self._read = read

    def get_secret_value(self) -> str:
        """The secret as it is now."""
        return self._read().get_secret_value()

    def __len__(self) -> int:
        return len(self.get_secret_value())


class LiveSecrets(Sequence[SecretStr]):
    """Several secrets that are all valid now; iterated again at each use."""

    def __init__(self, read: Callable[[], Sequence[SecretStr]]) -> None:
        self._read = read

    @overload
    def __getitem__(self, index: int) -> SecretStr: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[SecretStr]: ...

    def __getitem__(self, index: int | slice) -> SecretStr | Sequence[SecretStr]:
        return self._read()[index]

    def __iter__(self) -> Iterator[SecretStr]:
        # One reading for the whole round, whatever happens to the file meanwhile.
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"LiveSecrets({list(self)!r})"


def _is_secret(value: object) -> bool:
    several = isinstance(value, Sequence) and any(isinstance(one, SecretStr) for one in value)
    return several or isinstance(value, SecretStr)


def _warn_of_lost(variable: str, path: Path) -> None:
    """A mount of one file goes on showing it after another one was moved to its place."""
    if path.stat().st_nlink == 0:
        reason = "its file was replaced outside of the mount of this one file; mount its folder"
        get_logger().warning("secret_kept", variable=variable, reason=reason)
