"""The cases follow from their seed alone, and come in every kind."""

import json
import random
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.hostile.cases import Attack, routes_of
from tests.hostile.native import methods_of

OPERATORS = json.loads((ROOT / "gateway" / "openapi.operators.json").read_text())
DOCUMENT = json.loads((ROOT / "gateway" / "openapi.json").read_text())


def test_the_same_seed_makes_the_same_cases() -> None:
    def made(seed: int) -> list[bytes]:
        attack = Attack(random.Random(seed), routes_of(DOCUMENT))
        return [case.request for case in attack.cases(70)]

    assert made(1) == made(1)
    assert made(1) != made(2)


@pytest.mark.parametrize("document", [DOCUMENT, OPERATORS])
def test_every_kind_comes(document: dict[str, Any]) -> None:
    attack = Attack(random.Random(1), routes_of(document))

    assert len({case.kind for case in attack.cases(7)}) == 7


def test_every_rpc_of_the_gateway_is_attacked() -> None:
    methods = methods_of((ROOT / "gateway" / "descriptor.binpb").read_bytes())

    named = {method.path.rpartition("/")[2] for method in methods}
    assert {"CreatePayment", "CreateRefund", "ReceiveEvent", "ResolveAttempt"} <= named
