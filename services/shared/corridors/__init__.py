"""Corridors: one TOML file each in deploy/corridors, holding the whole fact. Every service reads
the folder and uses its own section. `model` has the sections, `prices` the arithmetic of the fees,
`rules` the refusals of what stands in several places of a file, and `loading` reads the folder."""

from services.shared.corridors.countries import COUNTRIES
from services.shared.corridors.loading import CorridorsError, load_corridors
from services.shared.corridors.model import (
    DEADLINE_HOURS,
    PATIENCE_SECONDS,
    Corridor,
    CorridorAmbiguous,
    Corridors,
    CorridorUnsupported,
)
from services.shared.corridors.prices import FeeSchedule, TierKind, flat_part, percentage_part

__all__ = [
    "COUNTRIES",
    "DEADLINE_HOURS",
    "PATIENCE_SECONDS",
    "Corridor",
    "CorridorAmbiguous",
    "CorridorUnsupported",
    "Corridors",
    "CorridorsError",
    "FeeSchedule",
    "TierKind",
    "flat_part",
    "load_corridors",
    "percentage_part",
]
