"""Corridors: one TOML file each in deploy/corridors, holding the whole fact. Every service reads
the folder and uses its own section. `model` has the sections, `prices` the arithmetic of the fees,
`windows` the days of their schedules, `rules` the refusals of what stands in several places of a
file, and `loading` reads the folder."""

from services.shared.corridors.countries import COUNTRIES
from services.shared.corridors.loading import CorridorsError, load_corridors
from services.shared.corridors.model import (
    DEADLINE_HOURS,
    MID_MAX,
    MID_MIN,
    PATIENCE_SECONDS,
    Corridor,
    CorridorAmbiguous,
    Corridors,
    CorridorUnsupported,
    Disclosure,
)
from services.shared.corridors.prices import (
    FeeSchedule,
    TierKind,
    fee_of,
    flat_part,
    percentage_part,
    shares,
    smallest_leaving,
    terms_for,
)

__all__ = [
    "COUNTRIES",
    "DEADLINE_HOURS",
    "MID_MAX",
    "MID_MIN",
    "PATIENCE_SECONDS",
    "Corridor",
    "CorridorAmbiguous",
    "CorridorUnsupported",
    "Corridors",
    "CorridorsError",
    "Disclosure",
    "FeeSchedule",
    "TierKind",
    "fee_of",
    "flat_part",
    "load_corridors",
    "percentage_part",
    "shares",
    "smallest_leaving",
    "terms_for",
]
