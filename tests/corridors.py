"""Corridor files for tests: one that a deployment with real money would take."""

from pathlib import Path

from tests.conftest import ROOT

SHIPPED = ROOT / "deploy" / "corridors"


def live_corridors(folder: Path, *offramps: str) -> Path:
    """The folder, with a corridor on published rates whose age is bounded, and these offramps."""
    text = (SHIPPED / "us-in.toml").read_text()
    limited = text.replace("[fx]\n", "[fx]\nmaximum_age_hours = 8760\n")
    (folder / "us-in.toml").write_text(_paying_through(limited, *offramps))
    return folder


def one_corridor(folder: Path, *offramps: str) -> Path:
    """The folder, with a sandbox's corridor that names these offramps alone."""
    text = (SHIPPED / "us-in.toml").read_text()
    (folder / "us-in.toml").write_text(_paying_through(text, *offramps))
    return folder


def _paying_through(text: str, *offramps: str) -> str:
    shipped = 'offramps = ["local_wallet"]'
    assert shipped in text
    return text.replace(shipped, f"offramps = {list(offramps)}") if offramps else text
