"""Where the checkout lies, which code it holds, and how a file is opened that only its owner may
read. The data folder of a mesh is mesh.state's."""

import os
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CORRIDORS = ROOT / "deploy" / "corridors"


def private(path: str, flags: int) -> int:
    """Opens a file, and makes one that only its owner may read; for open's opener."""
    return os.open(path, flags, 0o600)


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
