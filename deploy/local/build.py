"""Which code this is."""

import subprocess
from functools import cache

from deploy.local.paths import ROOT


@cache
def commit() -> str:
    """The checkout's commit, with a mark where files differ from it; "unknown" without git."""
    words = ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        asked = subprocess.run(  # noqa: S603
            words, cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return asked.stdout.strip() or "unknown"
