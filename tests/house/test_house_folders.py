"""The folders of payments and of the local runner: a folder for each thing that it does, one order
between them, and a page that says what is in each. import-linter holds the order itself."""

import configparser
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.places import ROOT, at, check, files

CONTRACTS = ROOT / ".importlinter"
README_LINES = 10
# A longer line is a paragraph that nobody reads to its end.
LINE_LENGTH = 200
# Two pages from before this bound; each is cut with its next change.
LONG_LINES = ("services/payments/recovery", "services/payments/engine/decisions")


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A package whose modules are in folders, its contract, and the page that names the folders."""

    path: str
    contract: str
    page: str

    @property
    def root(self) -> Path:
        return ROOT / self.path

    @property
    def folders(self) -> list[Path]:
        """Every folder of the package, sorted."""
        return sorted(
            path
            for path in self.root.iterdir()
            if path.is_dir() and (path / "__init__.py").exists()
        )

    @property
    def pages(self) -> list[Path]:
        """The page of each folder, and of each folder inside of one that has a page of its own."""
        return [
            *(folder / "README.md" for folder in self.folders),
            *sorted(self.root.glob("*/*/README.md")),
        ]

    @property
    def layers(self) -> list[str]:
        """The names of the contract that orders the package, from the top down."""
        contracts = configparser.ConfigParser()
        contracts.read(CONTRACTS)
        contract = contracts[f"importlinter:contract:{self.contract}"]
        assert contract["containers"].split() == [self.path.replace("/", ".")]
        assert contract["exhaustive"] == "true"
        return re.findall(r"\w+", contract["layers"])


TREES = (
    Tree(
        path="services/payments",
        contract="payments-folders",
        page="services/payments/README.md",
    ),
    Tree(path="deploy/local", contract="runner-folders", page="deploy/README.md"),
)
every_tree = pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.path)


@every_tree
def test_every_module_is_in_a_layer(tree: Tree) -> None:
    layers = set(tree.layers)
    check(
        at(path, 1, f"put it into a folder, or name {name} in the contract {tree.contract}")
        for path in files("*.py", below=(tree.path,))
        if (name := path.relative_to(tree.root).parts[0].removesuffix(".py")) != "__init__"
        and name not in layers
    )


@every_tree
def test_the_layers_are_what_there_is(tree: Tree) -> None:
    there = {path.stem for path in tree.root.glob("*.py")} | {path.name for path in tree.folders}
    assert set(tree.layers) == there - {"__init__"}


@every_tree
def test_every_folder_has_a_page_that_names_its_modules(tree: Tree) -> None:
    for page in tree.pages:
        folder = page.parent
        assert page.exists(), at(folder, 1, "say in a README of ten lines what is here")
        text = page.read_text()
        assert len(text.splitlines()) <= README_LINES, at(page, 1, "keep it to ten lines")
        check(
            at(page, 1, f"name `{path.stem}`")
            for path in sorted([*folder.glob("*.py"), *_stored(folder)])
            if path.stem != "__init__" and not re.search(rf"[`/]{path.stem}`", text)
        )


def _stored(folder: Path) -> list[Path]:
    """The modules of the folder's `store/`, which its page names where `store/` has no page."""
    store = folder / "store"
    return [] if (store / "README.md").exists() else list(store.glob("*.py"))


@every_tree
def test_lines_of_these_pages_are_short(tree: Tree) -> None:
    check(
        at(page, number, f"{len(line)} characters; keep it to {LINE_LENGTH}")
        for page in tree.pages
        if page.parent.relative_to(ROOT).as_posix() not in LONG_LINES
        for number, line in enumerate(page.read_text().splitlines(), 1)
        if len(line) > LINE_LENGTH
    )


@every_tree
def test_the_page_above_names_every_folder(tree: Tree) -> None:
    page = ROOT / tree.page
    text = page.read_text()
    check(
        at(page, 1, f"name {folder.name}/")
        for folder in tree.folders
        if f"`{folder.name}/`" not in text
    )


def test_the_page_of_the_shared_code_is_its_closed_list() -> None:
    page = ROOT / "services" / "shared" / "README.md"
    text = page.read_text()
    assert len(text.splitlines()) <= README_LINES, at(page, 1, "keep it to ten lines")
    check(
        at(page, 1, f"name `{path.name}`")
        for path in sorted(page.parent.iterdir())
        if path.name.removesuffix(".py") not in ("__init__", "__pycache__", page.name)
        and not re.search(rf"`{path.stem}/?`", text)
    )
