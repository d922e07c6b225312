"""Files in TOML that a process reads: each is taken whole or refused in one sentence, which names
the file and all that is wrong in it."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services.shared.errors import CannotStart

ModelT = TypeVar("ModelT", bound=BaseModel)
# Raised where a text is no TOML; one that nests without end breaks the parser itself, and a number
# of too many digits raises a ValueError of its own.
_UNREADABLE = (OSError, ValueError, RecursionError)


def read_text(path: Path, refusal: type[CannotStart]) -> str:
    """The text of a file, byte for byte. Raises the refusal where it has none."""
    try:
        return path.read_bytes().decode()
    except _UNREADABLE as error:
        raise _unreadable(path.name, error, refusal) from None


def read_toml(path: Path, refusal: type[CannotStart]) -> dict[str, Any]:
    """The tables of a file. Raises the refusal where it is no TOML."""
    return _tables(path.name, read_text(path, refusal), refusal)


def read_model(path: Path, model: type[ModelT], refusal: type[CannotStart]) -> ModelT:
    """A file as its model. Raises the refusal where it is no TOML, or is not of this form."""
    return model_of(path.name, read_text(path, refusal), model, refusal)


def model_of(name: str, text: str, model: type[ModelT], refusal: type[CannotStart]) -> ModelT:
    """The text of a file of this name as its model. Raises the refusal."""
    try:
        return model.model_validate(_tables(name, text, refusal))
    except ValidationError as error:
        raise refusal(f"{name}: {problems_in(error)}") from None


def problems_in(error: ValidationError) -> str:
    """All that a model has refused, each by the place where it stands."""
    items = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in items)


def _tables(name: str, text: str, refusal: type[CannotStart]) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except _UNREADABLE as error:
        raise _unreadable(name, error, refusal) from None


def _unreadable(name: str, error: Exception, refusal: type[CannotStart]) -> CannotStart:
    why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
    return refusal(f"{name}: it cannot be read as TOML: {why}")
