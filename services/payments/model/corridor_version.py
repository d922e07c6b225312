"""A version of the corridor files, as it was applied. Pure."""

from dataclasses import dataclass
from datetime import datetime

# In the place of an operator's name, where files were applied by a signal or at a start.
OURSELVES = "caravel"


@dataclass(frozen=True, kw_only=True)
class CorridorVersion:
    """The files of one version, from one moment on; the same files may be applied again."""

    sequence: int
    version: str
    applied_by: str
    reason: str
    applied_at: datetime
    effective_at: datetime
