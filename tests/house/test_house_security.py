"""The pages about security name controls and tests, and each of these exists."""

import re

from tests.conftest import ROOT
from tests.house.places import at, check

MODEL, ASVS, POLICY = ROOT / "docs/threat-model.md", ROOT / "docs/asvs.md", ROOT / "SECURITY.md"
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
_ROW = re.compile(r"^\| ([STRIDE]) \| (.+) \|$")
_REQUIREMENT = re.compile(r"^\| (\d+\.\d+\.\d+) \| (met|not applicable|open) \| (.+) \|$")
_FILE = re.compile(r"`([\w./-]+/[\w.-]+|[\w-]+\.(?:md|toml|lock|yml))`")
EDGES = 10
# Of ASVS 5.0.0, levels 1 and 2.
REQUIREMENTS = 253


def test_each_threat_has_a_control_and_a_test_that_exists() -> None:
    rows = [
        (number, found[2].split(" | "))
        for number, line in enumerate(MODEL.read_text().splitlines(), 1)
        if (found := _ROW.match(line))
    ]
    check(
        at(MODEL, number, "write: kind, threat, control, tests")
        for number, cells in rows
        if len(cells) != 3 or not all(cells) or not _TEST.search(cells[2])
    )
    check(
        at(MODEL, number, f"there is no test {name} in tests/{path}")
        for number, cells in rows
        for path, name in _TEST.findall(cells[2])
        if not (ROOT / "tests" / path).is_file()
        or f"def {name}(" not in (ROOT / "tests" / path).read_text()
    )
    assert len(rows) > 40


def test_each_edge_is_looked_at_from_every_side_that_it_has() -> None:
    sections = MODEL.read_text().split("\n## ")[1:]

    assert len(sections) == EDGES
    assert all(len(_TEST.findall(section)) >= 4 for section in sections)


def test_each_requirement_is_listed_once_with_what_proves_it() -> None:
    lines = ASVS.read_text().splitlines()
    rows = [
        (n, *found.groups())
        for n, line in enumerate(lines, 1)
        if (found := _REQUIREMENT.match(line))
    ]
    ids = [row[1] for row in rows]
    assert len(ids) == len(set(ids))
    assert ids == sorted(ids, key=lambda one: [int(part) for part in one.split(".")])
    check(
        at(ASVS, number, f"{name} is met by a file or a test, or is not")
        for number, name, status, words in rows
        if status == "met" and not (_FILE.search(words) or _TEST.search(words))
    )
    check(
        at(ASVS, number, f"there is no {path}")
        for number, _, _, words in rows
        for path in _FILE.findall(words)
        if not (ROOT / path).exists()
    )
    check(
        at(ASVS, number, f"there is no test {name} in tests/{path}")
        for number, _, _, words in rows
        for path, name in _TEST.findall(words)
        if f"def {name}(" not in (ROOT / "tests" / path).read_text()
    )
    assert len(rows) == REQUIREMENTS


def test_the_policy_promises_times_and_says_what_is_in_scope() -> None:
    words = POLICY.read_text()

    assert re.search(r"\| \d+ days \|", words)
    assert all(part in words for part in ("**Supported**", "**In scope**", "**Out of scope**"))
