"""Corridors: one TOML file each in deploy/corridors, holding the whole fact. Every service reads
the folder and uses its own section. `model` has the sections, `prices` the arithmetic of the fees,
`windows` the days of their schedules, `rules` the refusals of what stands in several places of a
file, `loading` reads the folder, and `versions` holds several of a folder's contents."""

from services.shared.corridors.countries import COUNTRIES
from services.shared.corridors.loading import (
    CorridorsError,
    canonical,
    load_corridors,
    parse_corridors,
    read_folder,
    version_of,
)
from services.shared.corridors.model import (
    DEADLINE_HOURS,
    MID_MAX,
    MID_MIN,
    PATIENCE_SECONDS,
    Corridor,
    CorridorAmbiguous,
    CorridorFiles,
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
from services.shared.corridors.versions import (
    CorridorsRefused,
    CorridorsVersionUnknown,
    Versions,
    checked,
    collect,
    refused,
)

__all__ = [
    "COUNTRIES",
    "DEADLINE_HOURS",
    "MID_MAX",
    "MID_MIN",
    "PATIENCE_SECONDS",
    "Corridor",
    "CorridorAmbiguous",
    "CorridorFiles",
    "CorridorUnsupported",
    "Corridors",
    "CorridorsError",
    "CorridorsRefused",
    "CorridorsVersionUnknown",
    "Disclosure",
    "FeeSchedule",
    "TierKind",
    "Versions",
    "canonical",
    "checked",
    "collect",
    "fee_of",
    "flat_part",
    "load_corridors",
    "parse_corridors",
    "percentage_part",
    "read_folder",
    "refused",
    "shares",
    "smallest_leaving",
    "terms_for",
    "version_of",
]
