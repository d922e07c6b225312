"""Every provider that the contract suite knows, by the modules in providers/."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from services.providers.domain import Kind, Operation, OperationResult
from services.providers.ports import Adapter, Offramp, Onramp
from tests.contract.facts import Case, Facts

__all__ = ["CASES", "FACTS", "Case", "send"]


def _find() -> Mapping[str, Facts]:
    folder = Path(__file__).with_name("providers")
    names = sorted(found.name for found in pkgutil.iter_modules([str(folder)]))
    return {name: import_module(f"tests.contract.providers.{name}").FACTS for name in names}


FACTS = _find()
CASES: Mapping[str, Case] = {name: facts.case for name, facts in FACTS.items()}


async def send(adapter: Adapter, operation: Operation) -> OperationResult:
    """Sends an operation by the method of its kind."""
    if operation.kind is Kind.COLLECTION:
        assert isinstance(adapter, Onramp)
        return await adapter.start_collection(operation)
    assert isinstance(adapter, Offramp)
    return await adapter.send_payout(operation)
