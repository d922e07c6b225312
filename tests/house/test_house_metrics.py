"""docs/metrics.md lists what the processes really register, and where it is to be found."""

import json
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

from deploy.local.mesh import processes
from services.shared.telemetry import VERSION
from tests.documents import pages
from tests.house.places import ROOT, at, check

PAGE = ROOT / "docs" / "metrics.md"
TEXT = PAGE.read_text()
# Roles of the database, whose names begin as those of metrics do.
ROLES = {"caravel_app", "caravel_backup", "caravel_superuser"}
MODULES = {name: f"services.{name}.__main__" for name in processes.SERVICES}
MODULES["worker"] = "services.payments.worker"
MODULES["console"] = "gateway.console.__main__"
ROW = re.compile(r"^\| `(caravel_\w+)` \| (\w+) \| ([^|]*)\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def _registered(module: str) -> Any:
    printed = subprocess.run(
        [sys.executable, "-P", ROOT / "tests" / "house" / "registered.py", module],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(printed.stdout)


@pytest.fixture(scope="module")
def registered() -> dict[str, Any]:
    """The metrics that each process registers, by its name."""
    return {name: _registered(module) for name, module in MODULES.items()}


def test_page_names_every_metric_as_it_is(registered: dict[str, Any]) -> None:
    listed = {name: (kind, labels) for name, kind, labels, *_ in ROW.findall(TEXT)}
    real = {
        name: (one["type"], ", ".join(f"`{label}`" for label in one["labels"]))
        for metrics in registered.values()
        for name, one in metrics.items()
    }
    check(
        at(PAGE, 1, f"list {name}, {kind}, with its labels {labels}")
        for name, (kind, labels) in sorted(real.items())
        if (listed.get(name, ("", ""))[0], listed.get(name, ("", ""))[1].strip()) != (kind, labels)
    )
    check(at(PAGE, 1, f"{name} is registered nowhere") for name in listed.keys() - real.keys())


def test_page_says_of_each_metric_what_its_process_does(registered: dict[str, Any]) -> None:
    words = {name: one["words"] for found in registered.values() for name, one in found.items()}
    check(
        at(PAGE, 1, f'{name} is "{words[name]}"')
        for name, *_, said in ROW.findall(TEXT)
        if f"{said}." != words[name]
    )


def test_documents_name_metrics_that_there_are(registered: dict[str, Any]) -> None:
    real = {name for metrics in registered.values() for name in metrics}
    check(
        at(page, number, f"{name} is registered nowhere")
        for page in pages()
        for number, line in enumerate(page.read_text().splitlines(), 1)
        for name in re.findall(r"\bcaravel_\w*[a-z]\b", line)
        if name not in real | ROLES
    )


def test_page_names_the_processes_that_have_it(registered: dict[str, Any]) -> None:
    check(
        at(PAGE, 1, f"{process} has no {name}")
        for name, _, _, processes, _ in ROW.findall(TEXT)
        for process in (MODULES if processes.strip() == "all" else processes.strip().split(", "))
        if name not in registered[process]
    )


def test_scrape_configuration_finds_every_container_that_has_a_page() -> None:
    text = (ROOT / "deploy" / "observability" / "prometheus.yml").read_text()
    (job,) = yaml.safe_load(text)["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    containers = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    assert {*found["names"]} == {*processes.SERVICES, "gateway"} <= containers.keys()
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert f"METRICS_PORT={found['port']}" in dockerfile


def test_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
