"""Alerts and dashboards name metrics that there are, fire as their cases say, and have a section in
the runbook whose commands exist."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.places import ROOT, at, check
from tests.tools import debian_tool

FOLDER = ROOT / "deploy" / "observability"
RULES = FOLDER / "rules.yml"
CASES = FOLDER / "rules_test.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
PARTS = ("Meaning", "Look", "Do", "Prove")
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"] if "alert" in rule]
RECORDED = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}
METRIC = re.compile(r"\b(?:caravel|envoy)_\w+\b|\b\w+:\w+:\w+\b")
DOCUMENTED = re.compile(r"^\| `((?:caravel|envoy)_\w+)`(?: \| (\w+))?", re.MULTILINE)
# Labels that begin as metrics do.
LABELS = {"envoy_cluster_name", "envoy_response_code_class"}
SERIES_OF_A_HISTOGRAM = ("_bucket", "_count", "_sum")


def documented() -> set[str]:
    """The names of all series; docs/metrics.md is compared with what is registered elsewhere."""
    found = DOCUMENTED.findall((ROOT / "docs" / "metrics.md").read_text())
    histograms = {name for name, kind in found if kind == "histogram"}
    parts = {f"{name}{part}" for name in histograms for part in SERIES_OF_A_HISTOGRAM}
    return {name for name, _ in found} - histograms | parts | RECORDED


def _expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (node["expr"] for _ in range(1) if isinstance(node.get("expr"), str))
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _expressions(one)


def _named(path: Path) -> set[str]:
    """The metrics that the expressions of a file name."""
    text = path.read_text()
    loaded = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    return {name for words in _expressions(loaded) for name in METRIC.findall(words)} - LABELS


@pytest.mark.parametrize("path", [RULES, *DASHBOARDS], ids=lambda path: path.name)
def test_expressions_name_metrics_that_there_are(path: Path) -> None:
    named = _named(path)
    assert named
    check(at(path, 1, f"{name} is no series of ours") for name in sorted(named - documented()))


def test_every_alert_says_how_urgent_it_is_and_what_it_is() -> None:
    check(
        at(RULES, 1, f"{alert['alert']}: give it a severity, page or ticket, and a summary")
        for alert in ALERTS
        if alert["labels"].get("severity") not in ("page", "ticket")
        or not alert["annotations"].get("summary")
    )


def test_every_alert_has_a_case() -> None:
    cases = CASES.read_text()
    check(
        at(CASES, 1, f"let {alert['alert']} fire")
        for alert in ALERTS
        if f'alertname="{alert["alert"]}"' not in cases
    )


def test_alerts_fire_as_their_cases_say() -> None:
    promtool = debian_tool("prometheus", "promtool")
    tested = subprocess.run(
        [promtool, "test", "rules", CASES.name],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_alertmanager_takes_its_example() -> None:
    amtool = debian_tool("prometheus-alertmanager", "amtool")
    checked = subprocess.run(
        [amtool, "check-config", FOLDER / "alertmanager.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alertmanager_knows_the_alerts_that_it_names() -> None:
    named = set(re.findall(r"Caravel\w+", (FOLDER / "alertmanager.yml").read_text()))
    assert named <= {alert["alert"] for alert in ALERTS}


def test_every_alert_has_a_section_of_the_runbook_and_no_other_has() -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK.read_text(), re.M | re.S))
    assert sections.keys() == {alert["alert"] for alert in ALERTS}
    check(
        at(RUNBOOK, 1, f"{name} lacks its {part}")
        for name, text in sections.items()
        for part in PARTS
        if not re.search(rf"^- \*\*{part}:\*\* \S", text, re.M)
    )


def test_runbook_names_calls_of_the_contract() -> None:
    calls = {
        f"{method.upper()} {path}"
        for page in ("openapi.json", "openapi.operators.json")
        for path, methods in json.loads((ROOT / "gateway" / page).read_text())["paths"].items()
        for method in methods
    }
    named = re.findall(r"`((?:GET|POST|DELETE) /api[^`?]*)", RUNBOOK.read_text())
    assert len(named) > len(ALERTS) / 2
    check(at(RUNBOOK, 1, f"{call} is no call") for call in sorted(set(named) - calls))
