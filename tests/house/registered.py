"""Prints as JSON what a process registers with Prometheus: `registered.py MODULE`, its main module.
Run by itself for each process, because a registry has all that was ever imported."""

import importlib
import json
import sys

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

if __name__ == "__main__":
    importlib.import_module(sys.argv[1])
    found = {
        collector: collector.describe()[0]
        for collector in REGISTRY._collector_to_names
        if isinstance(collector, MetricWrapperBase)
    }
    suffixes = {"counter": "_total"}
    print(  # noqa: T201
        json.dumps(
            {
                family.name + suffixes.get(family.type, ""): {
                    "type": family.type,
                    "labels": list(collector._labelnames),
                    "words": family.documentation,
                }
                for collector, family in found.items()
            }
        )
    )
