"""The corridors of the release for a run of minutes: a payout waits a minute for an offramp that
can pay, and where a run is to see late money, offers expire within seconds."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from deploy import CORRIDORS

PATIENCE_SECONDS = 60
LIFETIME_SECONDS, GRACE_SECONDS = 30, 10
PATIENT = {"patience_seconds": PATIENCE_SECONDS}
SHORT = {"lifetime_seconds": LIFETIME_SECONDS, "grace_seconds": GRACE_SECONDS}


def write(folder: Path, *, short: bool) -> Path:
    """Writes them into a folder of that name, in place of what was there; returns it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in sorted(CORRIDORS.glob("*.toml")):
        text = _changed(source, {**PATIENT, **(SHORT if short else {})})
        (folder / source.name).write_text(text)
    return folder


def _changed(source: Path, values: Mapping[str, int]) -> str:
    text = source.read_text()
    for name, value in values.items():
        text, count = re.subn(rf"^{name} = \d+$", f"{name} = {value}", text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"{source.name} does not say {name} once")
    return text
