"""Corridor files for tests: one that a deployment with real money would take."""

import re
from collections.abc import Mapping
from pathlib import Path

from caravel.common.v1 import corridors_pb2

from services.shared.corridors import CorridorFiles, read_folder
from tests.conftest import ROOT

SHIPPED = ROOT / "deploy" / "corridors"
# Pays wallets alone, and bank accounts alone where it is cut down to them.
WALLETS, BANKS = "us-in", "us-ng"
LOCAL = "local_wallet"


def corridor_files(source: Path | CorridorFiles) -> list[corridors_pb2.CorridorFile]:
    """The files of a folder, or these, as one service hands them to another."""
    files = source if isinstance(source, Mapping) else read_folder(source)
    return [corridors_pb2.CorridorFile(name=name, content=files[name]) for name in sorted(files)]


def replaced(old: str, new: str, *, corridor: str = "us-in") -> CorridorFiles:
    """The shipped files, with other words in the place of these in one of them."""
    files, name = read_folder(SHIPPED), f"{corridor}.toml"
    assert files[name].count(old) == 1
    return {**files, name: files[name].replace(old, new)}


def live_corridors(folder: Path, *offramps: str) -> Path:
    """The folder, with a corridor on published rates whose age is bounded, and these offramps."""
    name, text = _paying_through(*offramps)
    limited = text.replace("[fx]\n", "[fx]\nmaximum_age_hours = 8760\n")
    (folder / f"{name}.toml").write_text(limited.replace('"synthetic"', '"ecb"'))
    return folder


def one_corridor(folder: Path, *offramps: str) -> Path:
    """The folder, with a sandbox's corridor that names these offramps alone."""
    name, text = _paying_through(*offramps)
    (folder / f"{name}.toml").write_text(text)
    return folder


def _paying_through(*offramps: str) -> tuple[str, str]:
    """A corridor's name and text; each of its kinds of recipient has one of the offramps."""
    paying = offramps or (LOCAL,)
    name = WALLETS if paying == (LOCAL,) else BANKS
    text = (SHIPPED / f"{name}.toml").read_text()
    text, count = re.subn(r"^offramps = .*$", f"offramps = {list(paying)}", text, flags=re.M)
    assert count == 1
    for kind, pays in (("wallet", LOCAL in paying), ("bank_account", paying != (LOCAL,))):
        text = text if pays else _without(text, kind)
    return name, text


def _without(text: str, kind: str) -> str:
    """The text without the tables of a kind of recipient."""
    table = rf"^\[recipients\.{kind}[.\]].*?(?=^[\[#])"
    return re.sub(table, "", text, flags=re.M | re.S)
