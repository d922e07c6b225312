"""Reads corridor files: from a folder, or as they were handed over. All are taken or none, and the
message says in one sentence which file is wrong and where."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import orjson

from services.shared.corridors.model import Corridor, CorridorFiles, Corridors, End
from services.shared.corridors.rules import live_problems, problems
from services.shared.errors import CannotStart, Invalid
from services.shared.toml_files import model_of, read_text

# Of all files together, as their canonical JSON.
FILES_MAX_BYTES = 1024 * 1024
_SUFFIX = ".toml"


class CorridorsError(CannotStart):
    """A corridor file is wrong; the message names the file and the key."""


def load_corridors(folder: Path, *, live: bool) -> Corridors:
    """The corridors of every *.toml of the folder. Raises CorridorsError.

    Where it is live each corridor must bound the age of its rates, and name no made-up ones.
    """
    return parse_corridors(read_folder(folder), live=live)


def read_folder(folder: Path) -> CorridorFiles:
    """The text of every *.toml of the folder, by its name. Raises CorridorsError."""
    files = {path.name: read_text(path, CorridorsError) for path in folder.glob(f"*{_SUFFIX}")}
    if not files:
        raise CorridorsError(f"no corridor files in {folder}")
    return files


def parse_corridors(files: CorridorFiles, *, live: bool) -> Corridors:
    """The corridors of these files. Raises CorridorsError."""
    if not files:
        raise CorridorsError("there are no corridor files")
    content = canonical(files)
    if len(content) > FILES_MAX_BYTES:
        raise CorridorsError(f"the corridor files have more than {FILES_MAX_BYTES} bytes together")
    corridors = [_parse(name, files[name], live=live) for name in sorted(files)]
    _refuse_doubles(corridors)
    return Corridors(tuple(corridors), version=version_of(content), files=files)


def canonical(files: CorridorFiles) -> bytes:
    """The files as one JSON object with sorted names and without blanks: the same bytes for the
    same files."""
    return orjson.dumps(files, option=orjson.OPT_SORT_KEYS)


def version_of(content: bytes) -> str:
    """The version of files by their canonical JSON: its SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _refuse_doubles(corridors: Sequence[Corridor]) -> None:
    first: dict[tuple[End, End], str] = {}
    for corridor in corridors:
        ends = (corridor.source, corridor.destination)
        if ends in first:
            source, destination = (f"{end.currency} in {end.country}" for end in ends)
            raise CorridorsError(
                f"{first[ends]}.toml and {corridor.id}.toml both lead from {source} to "
                f"{destination}; source, destination country and destination currency name one "
                "corridor"
            )
        first[ends] = corridor.id


def _parse(name: str, text: str, *, live: bool) -> Corridor:
    try:
        corridor = model_of(name, text, Corridor, CorridorsError)
    except Invalid as error:
        raise CorridorsError(f"{name}: {error}") from None
    if f"{corridor.id}{_SUFFIX}" != name:
        raise CorridorsError(f"{name}: the id must be the file's name, not {corridor.id}")
    found = [*problems(corridor), *(live_problems(corridor) if live else ())]
    if found:
        raise CorridorsError(f"{name}: {'; '.join(found)}")
    return corridor
