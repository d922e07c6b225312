"""Each refusal of each provider, walked against the simulator: it is definitive at the first
answer, moves nothing, has a code of ours, and stands on the provider's page. A row of an adapter's
tables that no refusal enters is dead, and fails here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.refusals import sentence_of
from services.providers.domain import Outcome
from services.providers.simulator.faults.modes import Mode, Step
from tests.conftest import ROOT
from tests.contract.cases import CASES, FACTS, Case, send
from tests.contract.faults import Trial, agrees
from tests.polling import until

every_provider = pytest.mark.parametrize("provider", list(ADAPTERS))
REFUSING = {Step.PREPARE: Mode.REFUSED, Step.SEND: Mode.REFUSED, Step.SETTLE: Mode.FAILS_AS}


@dataclass(frozen=True)
class Row:
    """One refusal: when it is given, its number, and its words."""

    step: Step
    number: int
    words: str


def rows(provider: str) -> Iterator[Row]:
    """The refusals of a provider."""
    refusals = FACTS[provider].refusals
    said = {
        Step.PREPARE: refusals.prepare,
        Step.SEND: refusals.send,
        Step.SETTLE: refusals.settle,
    }
    for step, words in said.items():
        for number, one in enumerate(words, 1):
            yield Row(step, number, one)


async def refused_with(trial: Trial, case: Case, row: Row) -> str:
    """Our code of the refusal, once all that must be true of it is."""
    adapter, operation = trial.adapters[case.provider], case.operation()
    assert not await trial.strike(case.provider, REFUSING[row.step], row.step, row=row.number)
    result = await send(adapter, operation)
    if result.outcome is Outcome.PENDING:
        result = await until(
            lambda: adapter.look_up(operation), lambda seen: seen.outcome is not Outcome.PENDING
        )
    found = await adapter.look_up(operation)
    await trial.heal(case.provider)

    assert result.outcome in (Outcome.FAILED, Outcome.REFUSED), row
    assert result.failure, row
    assert result.failure.message, row
    assert result.failure.code in adapter.capabilities.definitive_failures, row
    agrees(case, operation, result, await trial.lines(operation.key))
    assert found.outcome in (Outcome.ABSENT, Outcome.FAILED), row
    return result.failure.code


def about(provider: str, code: str) -> str:
    """The part that a failure is about, as its provider's record declares it."""
    record = ADAPTERS[provider].capabilities
    if code in record.recipient_failures:
        return "the recipient"
    return "the route; may pass" if code in record.passing_failures else ""


@every_provider
async def test_each_refusal_is_definitive_at_the_first_answer_and_stands_on_the_page(
    trial: Trial, provider: str
) -> None:
    lines = ["| asked for by | it says | our code | about |", "|---|---|---|---|"]
    for row in rows(provider):
        code = await refused_with(trial, CASES[provider], row)
        word = f"`{REFUSING[row.step].value}={row.number}`"
        word += " (recipient)" if row.step is Step.PREPARE else ""
        lines.append(
            f"| {word} | {row.words} | `{code}` | {about(provider, code)} |".replace("  ", " ")
        )
    table = "\n".join(lines)

    page = ROOT / "docs" / "providers" / f"{provider}.md"
    written = re.search(r"<!-- refusals -->\n(.*)<!-- /refusals -->", page.read_text(), re.DOTALL)
    assert written, f"{page.name}: mark the place of the table with <!-- refusals -->"
    assert written[1] == f"{table}\n", f"{page.name}: this should be\n\n{table}\n"


@every_provider
def test_each_row_of_an_adapter_s_tables_is_entered_by_a_refusal(provider: str) -> None:
    for table, words in FACTS[provider].refusals.tables:
        entered = {sentence_of(one, table) for one in words}

        assert set(table) <= entered
