"""Files in TOML that a process reads at its start: each is taken whole or refused in one sentence,
which names the file and all that is wrong in it."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services.shared.errors import CannotStart

ModelT = TypeVar("ModelT", bound=BaseModel)
# Raised where a file is no TOML; a text that nests without end breaks the parser itself.
_UNREADABLE = (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError)


def read_toml(path: Path, refusal: type[CannotStart]) -> dict[str, Any]:
    """The tables of a file. Raises the refusal where it is no TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except _UNREADABLE as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise refusal(f"{path.name}: it cannot be read as TOML: {why}") from None


def read_model(path: Path, model: type[ModelT], refusal: type[CannotStart]) -> ModelT:
    """A file as its model. Raises the refusal where it is no TOML, or is not of this form."""
    file = read_toml(path, refusal)
    try:
        return model.model_validate(file)
    except ValidationError as error:
        raise refusal(f"{path.name}: {problems_in(error)}") from None


def problems_in(error: ValidationError) -> str:
    """All that a model has refused, each by the place where it stands."""
    items = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in items)
