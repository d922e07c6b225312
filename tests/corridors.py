"""Corridor files for tests: one that a deployment with real money would take."""

from pathlib import Path

from tests.conftest import ROOT

SHIPPED = ROOT / "deploy" / "corridors"


def live_corridors(folder: Path) -> Path:
    """The folder, with a corridor on published rates whose age is bounded."""
    text = (SHIPPED / "us-in.toml").read_text()
    limited = text.replace("[fx]\n", "[fx]\nmaximum_age_hours = 8760\n")
    (folder / "us-in.toml").write_text(limited)
    return folder
