"""Documents say what the code does: variables in the READMEs, commands in the front page."""

import importlib
import re
from pathlib import Path

import pytest

from gateway.config import DESCRIPTOR
from gateway.contract import read_contract, success_status, verb_and_path
from services.providers.adapters import ADAPTERS
from services.shared.env import Settings
from tests import documents
from tests.house.places import CODE, ROOT, SERVICES, at, check, files

README_LINES = 120
# Images, files of Google, and the logs of a run.
ELSEWHERE = ("caravel/", "google/", "mesh/logs")


def settings_of(service: str) -> list[type[Settings]]:
    """Every settings class that a module of the service declares."""
    for path in files("*.py", below=(f"services/{service}",)):
        if "Settings" in path.read_text() and "migrations" not in path.parts:
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found, waiting = [], [Settings]
    while waiting:
        for one in waiting.pop().__subclasses__():
            waiting.append(one)
            if one.__module__.startswith(f"services.{service}."):
                found.append(one)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_described_and_in_the_readme(service: str) -> None:
    readme = ROOT / "services" / service / "README.md"
    text = readme.read_text()
    classes = settings_of(service)
    assert classes, f"services/{service}: declare its Settings in config.py"
    check(
        at(readme, 1, f"name {name.upper()} ({one.__name__}) here, and describe it in the code")
        for one in classes
        for name, field in one.model_fields.items()
        # A provider's own variables are on its page, held to it by test_house_providers.
        if not name.startswith(tuple(f"{provider}_" for provider in ADAPTERS))
        if not field.description or not re.search(rf"\b{name.upper()}\b", text)
    )


@pytest.mark.parametrize("service", SERVICES)
def test_readme_of_a_service_is_a_page(service: str) -> None:
    readme = ROOT / "services" / service / "README.md"
    length = len(readme.read_text().splitlines())
    assert length <= README_LINES, at(readme, length, f"{length} lines; keep what a command lacks")


@pytest.mark.parametrize("service", SERVICES)
def test_a_readme_names_the_calls_of_a_service(service: str) -> None:
    # Those of payments are the routes of the gateway.
    folder = "gateway" if service == "payments" else f"services/{service}"
    readme = ROOT / folder / "README.md"
    text = readme.read_text()
    protos = files("*.proto", below=(f"protos/caravel/{service}",))
    check(
        at(readme, 1, f"name the call {call} here")
        for proto in protos
        for call in re.findall(r"^  rpc (\w+)", proto.read_text(), re.MULTILINE)
        if call not in text
    )


def test_readme_of_the_gateway_lists_every_route() -> None:
    readme = ROOT / "gateway" / "README.md"
    row = re.compile(
        r"^\| `([A-Z]+) (/(?:api|oauth|\.well-known)/\S+)` \| `(?:\w+\.)?(\w+)` \|(.*)\|$",
        re.MULTILINE,
    )
    listed = {(*call, "answers 201" in words) for *call, words in row.findall(readme.read_text())}
    bound = {
        (*verb_and_path(rule), method.name, success_status(method) == 201)
        for _, method, rule in read_contract(DESCRIPTOR).bindings()
    }
    check(
        at(readme, 1, f"{one} needs a row here" if one in bound else f"remove {one}")
        for one in sorted(listed ^ bound)
    )


def test_paths_of_the_api_in_documents_are_routes_or_their_beginnings() -> None:
    bindings = read_contract(DESCRIPTOR).bindings()
    routes = [_parts(verb_and_path(rule)[1]) for _, _, rule in bindings]
    check(
        at(page, number, f"{path} is no route")
        for page in documents.pages()
        for number, line in enumerate(page.read_text().splitlines(), 1)
        for path in re.findall(r"/api/(?:\$?\{\w+\}|[\w/:-])+", line)
        if not any(_begins(_parts(path.rstrip("/:")), route) for route in routes)
    )


def _parts(path: str) -> list[str]:
    return re.split("[/:]", path)


def _begins(path: list[str], route: list[str]) -> bool:
    pairs = zip(path, route, strict=False)
    return len(path) <= len(route) and all(b.startswith("{") or a == b for a, b in pairs)


def test_files_and_folders_that_documents_name_are_there() -> None:
    there = [path.relative_to(ROOT) for path in files("*", below=(*CODE, "docs"))]
    ways = {way.as_posix() for path in there for way in (path, *path.parents, path.with_suffix(""))}
    check(
        at(page, number, f"{name} is not there")
        for page in documents.pages()
        for number, line in enumerate(page.read_text().splitlines(), 1)
        for name in re.findall(r"`((?:[\w-]+/)+[\w-]+(?:\.\w+)?)/?`", line)
        if "acme" not in name and not name.startswith(ELSEWHERE)
        if not any(f"/{way}".endswith(f"/{name}") for way in ways)
    )


def test_front_page_shows_both_ways_to_start() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text()
    check(
        at(readme, 1, f"show how to start it with `{command}`")
        for command in ("./caravel up", "docker compose up")
        if command not in text
    )


def test_contributing_says_where_changes_begin_and_all_of_it_exists() -> None:
    page = ROOT / "CONTRIBUTING.md"
    table = page.read_text().partition("## Where do I change …?\n")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ") and "`" in row]
    assert 10 <= len(rows) <= 40, at(page, 1, f"{len(rows)} rows; keep the most frequent changes")
    check(
        at(page, 1, f"{path} is not there")
        for row in rows
        for path in re.findall(r"`([^`]+)`", row)
        if not (ROOT / path).exists()
    )


def test_links_between_documents_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
    documents = [*ROOT.glob("*.md"), *files("*.md", below=(*CODE, "docs"))]
    check(
        at(path, number, f"{target}#{anchor} is not there")
        for path in documents
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for target, anchor in link.findall(line)
        if not _is_there(path.parent / target if target else path, anchor)
    )


def _is_there(target: Path, anchor: str) -> bool:
    if not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if target.exists() else []
    return anchor in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
