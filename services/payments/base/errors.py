"""An error of ours in words that may be kept: its class and its place, never a person's name."""

import traceback
from pathlib import Path

from services.shared.errors import DomainError

_OURS = Path(__file__).resolve().parents[2]


def describe(error: BaseException) -> str:
    """An error's class and where it arose, or its words where they are ours.

    Any other text may quote a person's name or account, so nothing of it is kept.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    name = type(error).__name__
    if isinstance(error, DomainError):
        return f"{name}: {error.message}"
    if failure := getattr(error, "failure", None):
        return f"{name}: {failure}"
    return f"{name} in {_place(error)}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_OURS)]
    if not ours:
        return "code that is not ours"
    module = Path(ours[-1].filename).relative_to(_OURS).with_suffix("").as_posix()
    return f"{module.replace('/', '.')}.{ours[-1].name}, line {ours[-1].lineno}"
