"""Which code this is: the project's version and the checkout's commit."""

import subprocess
import tomllib
from functools import cache

from deploy import ROOT


def version() -> str:
    """The project's version."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


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
