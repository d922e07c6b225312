"""The packages that we use: each has a licence that the list allows, and the bill of materials
names all of the image's."""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing

from tests.conftest import ROOT
from tests.house.places import at, check

DEPLOYED, ALL = ROOT / "deploy/requirements.lock", ROOT / "requirements-dev.lock"
# Permissive; and MPL and LGPL, of libraries that are used as they are. A new one is a decision.
ALLOWED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND"),
        *(
            "ISC",
            "LGPL-2.1-only",
            "MIT",
            "MIT-0",
            "MIT-CMU",
            "MPL-2.0",
            "OFL-1.1",
            "PSF-2.0",
            "PostgreSQL",
        ),
        *("Python-2.0", "Unlicense", "Unicode-3.0", "Zlib"),
    }
)
# Only in tools, of which nothing is deployed or shipped.
ALLOWED_IN_TOOLS = ALLOWED | {"LGPL-2.1-or-later", "LGPL-3.0-or-later"}
# The words of older packages, as the field or the classifier has them.
SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2.0 license": "Apache-2.0",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "mit license": "MIT",
    "the mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "public domain": "CC0-1.0",
    "python software foundation license": "PSF-2.0",
    "psf": "PSF-2.0",
}
# Packages whose metadata say nothing that can be read, with the licence of their repository.
SAID_ELSEWHERE = {"axe-playwright-python": "MIT", "currencyconverter": "Apache-2.0"}
_PINNED = re.compile(r"^([a-zA-Z0-9_.-]+)==(\S+)", re.MULTILINE)
SPDX_WORDS = get_spdx_licensing()


def pinned(lock: Path) -> dict[str, str]:
    """The packages of a lock file with their versions."""
    return dict(_PINNED.findall(lock.read_text()))


def licence_of(name: str) -> str:
    """The licence of an installed package as an SPDX expression; empty where nothing says it."""
    if name in SAID_ELSEWHERE:
        return SAID_ELSEWHERE[name]
    metadata = distribution(name).metadata
    if expression := metadata.get("License-Expression"):
        return expression
    said = [
        words.split("::")[-1].strip()
        for words in metadata.get_all("Classifier") or ()
        if words.startswith("License ::")
    ]
    said.append((metadata.get("License") or "").strip())
    for words in said:
        spdx = SPDX.get(words.casefold(), words)
        if spdx and len(spdx) < 60 and SPDX_WORDS.validate(spdx).errors == []:
            return spdx
    return ""


def is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    """Whether a package may be used under what the expression says."""
    parsed = SPDX_WORDS.parse(expression)
    known = {symbol.key: SPDX_WORDS.TRUE for symbol in parsed.symbols if symbol.key in allowed}
    # A choice is fulfilled by one licence that is allowed, a sum by all.
    return bool(_holds(parsed, known.keys()))


def _holds(parsed: object, allowed: object) -> bool:
    operator = getattr(parsed, "operator", "").strip()
    if not operator:
        symbol = getattr(parsed, "license_symbol", parsed)
        return getattr(symbol, "key", "") in allowed  # type: ignore[operator]
    parts = [_holds(part, allowed) for part in parsed.args]  # type: ignore[attr-defined]
    return any(parts) if operator == "OR" else all(parts)


def _refused(lock: Path, allowed: frozenset[str]) -> list[str]:
    found = []
    for name in pinned(lock):
        try:
            expression = licence_of(name)
        except PackageNotFoundError:
            # Of another platform.
            continue
        if not expression or not is_allowed(expression, allowed):
            found.append(at(lock, 1, f"{name} is under {expression or 'nothing that says so'}"))
    return found


def test_all_that_is_deployed_has_a_licence_that_is_allowed() -> None:
    check(_refused(DEPLOYED, ALLOWED))


def test_all_that_is_only_for_work_here_has_one_too() -> None:
    check(_refused(ALL, ALLOWED_IN_TOOLS))


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        *(("MIT", True), ("MIT OR GPL-3.0-only", True), ("Apache-2.0 AND MIT", True)),
        *(("GPL-3.0-only", False), ("MIT AND GPL-3.0-only", False), ("AGPL-3.0-or-later", False)),
    ],
)
def test_a_choice_needs_one_allowed_licence_and_a_sum_all(expression: str, allowed: bool) -> None:
    assert is_allowed(expression, ALLOWED) == allowed


def test_the_bill_of_materials_is_valid_and_names_every_package_of_the_image(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bill.json"
    command = [sys.executable, "-P", "-m", "deploy.local", "sbom", "--output", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = path.read_text()

    assert "timestamp" not in json.loads(text)["metadata"]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["component"]["name"] == "caravel"
    named = {one["name"]: one for one in bill["components"]}
    assert {name: one["version"] for name, one in named.items()} == pinned(DEPLOYED)
    for name, one in named.items():
        assert one["purl"] == f"pkg:pypi/{name}@{one['version']}", name
        hashes = [found for link in one["externalReferences"] for found in link.get("hashes", ())]
        assert {found["alg"] for found in hashes} == {"SHA-256"}, name
