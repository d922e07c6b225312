"""Faults asked for by one payment, by words in its reference or by its amount; several faults
together; and the faults that a restart of the simulator keeps."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.providers.adapters import ADAPTERS
from services.providers.domain import Outcome
from services.providers.simulator.faults.modes import AMOUNTS, SPECS, Mode, Step
from services.shared.money import Money
from tests.contract.cases import CASES, Case, send
from tests.contract.faults import Trial, every_adapter
from tests.contract.lab import running_lab

STRIPE = CASES["stripe"]


@every_adapter
async def test_a_word_strikes_the_first_request_and_lets_the_next_one_through(
    trial: Trial, case: Case
) -> None:
    operation = case.operation(reference="invoice 17 sim:500_before")
    adapter = trial.adapters[case.provider]

    first, second = await send(adapter, operation), await send(adapter, operation)

    assert first.outcome is Outcome.UNKNOWN
    assert second.outcome in {Outcome.PENDING, Outcome.SUCCEEDED}
    effects = [line.effect for line in await trial.lines(operation.key)]
    assert effects.count(case.effect) == 1


@every_adapter
async def test_a_word_can_name_its_provider(trial: Trial, case: Case) -> None:
    others = [name for name in ADAPTERS if name != case.provider]
    words = " ".join(f"sim:500_before@{name}" for name in others)
    adapter = trial.adapters[case.provider]

    spared = await send(adapter, case.operation(reference=words))
    struck = await send(adapter, case.operation(reference=f"sim:500_before@{case.provider}"))

    assert spared.outcome in {Outcome.PENDING, Outcome.SUCCEEDED}
    assert struck.outcome is Outcome.UNKNOWN


@every_adapter
async def test_a_look_up_is_struck_by_the_words_of_what_was_sent(trial: Trial, case: Case) -> None:
    operation = case.operation(reference="sim:webhook_only")
    await send(trial.adapters[case.provider], operation)

    result = await trial.adapters[case.provider].look_up(operation)

    assert result.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("amount_minor", "mode"),
    [(amount, mode) for amount, mode in AMOUNTS.items() if mode is not Mode.ACCEPT_THEN_HANG],
    ids=str,
)
async def test_an_amount_strikes_as_its_mode_does(
    trial: Trial, amount_minor: int, mode: Mode
) -> None:
    operation = STRIPE.operation(amount=Money(amount_minor, "USD"))

    sent = await send(trial.adapters["stripe"], operation)
    asked = await trial.adapters["stripe"].look_up(operation)

    struck = sent if Step.SEND in SPECS[mode].steps else asked
    assert struck.outcome in {Outcome.UNKNOWN, Outcome.ABSENT}


async def test_a_kept_error_beside_an_effect_is_resolved_by_asking(trial: Trial) -> None:
    adapter = trial.adapters["stripe"]
    operation = STRIPE.operation(reference="sim:500_after sim:cache_500")

    first, second = await send(adapter, operation), await send(adapter, operation)

    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.UNKNOWN)
    assert (await adapter.look_up(operation)).outcome is Outcome.SUCCEEDED
    assert len(await trial.lines(operation.key)) == 1


async def test_forgotten_operation_stays_forgotten_after_a_restart(tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    operations = [case.operation(reference="sim:amnesia") for case in CASES.values()]
    async with running_lab(book) as lab:
        known = [
            replace(
                one,
                provider_reference=(await send(lab.adapters[one.provider], one)).provider_reference,
            )
            for one in operations
        ]

    async with running_lab(book) as lab:
        results = [await lab.adapters[one.provider].look_up(one) for one in known]
        effects = [[line["effect"] for line in await lab.book(one.key)] for one in known]

    assert {result.outcome for result in results} == {Outcome.UNKNOWN}
    assert effects == [[case.effect, "forgotten"] for case in CASES.values()]


async def test_the_book_is_read_on_from_where_a_reader_was(trial: Trial) -> None:
    first, second = STRIPE.operation(), STRIPE.operation()
    await send(trial.adapters["stripe"], first)
    await trial.lines(first.key)
    already = len(trial.book)
    await send(trial.adapters["stripe"], second)
    url = f"{trial.lab.url}/book"

    async with trial.session.get(url, params={"since": already}) as answer:
        more = await answer.json()
    async with trial.session.get(url, params={"since": "yesterday"}) as answer:
        refused = answer.status

    assert [line["key"] for line in more] == [second.key]
    assert refused == 400
