"""Reads the folder of corridor files. A file is taken whole or the process does not start, and the
message says in one sentence which file is wrong and where."""

from collections.abc import Sequence
from pathlib import Path

from services.shared.corridors.model import Corridor, Corridors, End
from services.shared.corridors.rules import live_problems, problems
from services.shared.errors import CannotStart, Invalid
from services.shared.toml_files import read_model


class CorridorsError(CannotStart):
    """A corridor file is wrong; the message names the file and the key."""


def load_corridors(folder: Path, *, live: bool) -> Corridors:
    """Reads every *.toml of the folder, sorted by name. Raises CorridorsError.

    Where it is live each corridor must bound the age of its rates, and name no made-up ones.
    """
    corridors = [_load(path, live=live) for path in sorted(folder.glob("*.toml"))]
    if not corridors:
        raise CorridorsError(f"no corridor files in {folder}")
    _refuse_doubles(corridors)
    return Corridors(tuple(corridors))


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


def _load(path: Path, *, live: bool) -> Corridor:
    try:
        corridor = read_model(path, Corridor, CorridorsError)
    except Invalid as error:
        raise CorridorsError(f"{path.name}: {error}") from None
    if corridor.id != path.stem:
        raise CorridorsError(f"{path.name}: the id must be the file's name, not {corridor.id}")
    found = [*problems(corridor), *(live_problems(corridor) if live else ())]
    if found:
        raise CorridorsError(f"{path.name}: {'; '.join(found)}")
    return corridor
