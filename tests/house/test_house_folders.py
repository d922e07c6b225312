"""The folders of payments: a folder for each thing that it does, one order between them, and a page
that says what is in each. import-linter holds the order itself."""

import configparser
import re

from tests.house.places import ROOT, at, check, files

PAYMENTS = ROOT / "services" / "payments"
CONTRACTS = ROOT / ".importlinter"
FOLDERS = sorted(
    path for path in PAYMENTS.iterdir() if path.is_dir() and (path / "__init__.py").exists()
)
README_LINES = 10


def _layers() -> list[str]:
    """The names of the contract that orders payments, from the top down."""
    contracts = configparser.ConfigParser()
    contracts.read(CONTRACTS)
    contract = contracts["importlinter:contract:payments-folders"]
    assert contract["containers"].split() == ["services.payments"]
    assert contract["exhaustive"] == "true"
    return re.findall(r"\w+", contract["layers"])


def test_every_module_is_in_a_layer() -> None:
    layers = set(_layers())
    check(
        at(path, 1, f"put it into a folder, or name {name} in the contract payments-folders")
        for path in files("*.py", below=("services/payments",))
        if (name := path.relative_to(PAYMENTS).parts[0].removesuffix(".py")) != "__init__"
        and name not in layers
    )


def test_the_layers_are_what_there_is() -> None:
    there = {path.stem for path in PAYMENTS.glob("*.py")} | {folder.name for folder in FOLDERS}
    assert set(_layers()) == there - {"__init__"}


def test_every_folder_has_a_page_that_names_its_modules() -> None:
    for folder in FOLDERS:
        page = folder / "README.md"
        assert page.exists(), at(folder, 1, "say in a README of ten lines what is here")
        text = page.read_text()
        assert len(text.splitlines()) <= README_LINES, at(page, 1, "keep it to ten lines")
        check(
            at(page, 1, f"name `{path.stem}`")
            for path in sorted(folder.glob("*.py"))
            if path.stem != "__init__" and f"`{path.stem}`" not in text
        )


def test_the_page_of_payments_names_every_folder() -> None:
    page = PAYMENTS / "README.md"
    text = page.read_text()
    check(
        at(page, 1, f"name {folder.name}/") for folder in FOLDERS if f"`{folder.name}/`" not in text
    )
