"""Every fault of requests and answers, at every step that it can strike, against every registered
adapter: the adapter's answer, the lines of the book, and exactly one effect after the fault's end.
A mode that cannot happen at a provider is skipped with the reason of its declaration. Events
and ends are in test_fault_events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.providers.domain import DuplicateReference, Operation, OperationResult, Outcome
from services.providers.simulator.faults.modes import SPECS, Mode, Step
from services.providers.usecases import Providers
from tests.contract.cases import Case, send
from tests.contract.faults import Trial, agrees, cut_off, every_adapter, named, strike
from tests.polling import until

UNKNOWN = {Outcome.UNKNOWN}
TAKEN = {Outcome.PENDING, Outcome.SUCCEEDED}


def modes_at(step: Step) -> pytest.MarkDecorator:
    """All modes of the table that strike a step."""
    modes = [mode for mode, spec in SPECS.items() if step in spec.steps]
    return pytest.mark.parametrize("mode", modes, ids=[mode.value for mode in modes])


async def first_try(trial: Trial, case: Case, mode: Mode, operation: Operation) -> OperationResult:
    """The result of a send; an answer that never comes ends with the time allowed."""
    adapter = trial.adapters[case.provider]
    if mode is Mode.ACCEPT_THEN_HANG:
        return await cut_off(trial, adapter, operation, case.effect)
    return await send(adapter, operation)


# The possible outcomes of the struck try, and the number of effects in the book.
SENT = {
    Mode.ACCEPT_THEN_HANG: (UNKNOWN, 1),
    Mode.DROP_BEFORE_ACCEPT: (UNKNOWN, 0),
    Mode.ERROR_BEFORE: (UNKNOWN, 0),
    Mode.ERROR_AFTER: (UNKNOWN, 1),
    Mode.ERROR_CACHED: (UNKNOWN, 0),
    Mode.KEY_TTL: (TAKEN, 1),
    Mode.KEY_MISMATCH: (TAKEN, 1),
    Mode.LATE_EFFECT: (UNKNOWN, 0),
    Mode.AMNESIA: (TAKEN, 1),
    Mode.RATE_LIMIT: (UNKNOWN, 0),
    Mode.BROWNOUT: (UNKNOWN, 0),
    Mode.NO_BALANCE: ({Outcome.FAILED, Outcome.REFUSED}, 0),
    Mode.REFUSED: ({Outcome.FAILED, Outcome.REFUSED}, 0),
    Mode.AMOUNT_PLUS: (UNKNOWN, 1),
    Mode.AMOUNT_MINUS: (UNKNOWN, 1),
    Mode.CURRENCY_SWAP: (UNKNOWN, 1),
    Mode.NET_OF_FEE: (UNKNOWN, 1),
    Mode.UNKNOWN_STATUS: (UNKNOWN, 1),
    Mode.EXTRA_FIELDS: (TAKEN, 1),
    Mode.HUGE_BODY: (UNKNOWN, 1),
    Mode.INVALID_UTF8: (UNKNOWN, 1),
    Mode.WEBHOOK_FIRST: (TAKEN, 1),
}
# Where the adapter reads the operation after the send, a false answer to the send does nothing, and
# what is forgotten meanwhile is missed at once.
READ_AFTER = {
    **dict.fromkeys(
        (
            Mode.AMOUNT_PLUS,
            Mode.AMOUNT_MINUS,
            Mode.CURRENCY_SWAP,
            Mode.NET_OF_FEE,
            Mode.UNKNOWN_STATUS,
        ),
        TAKEN,
    ),
    Mode.AMNESIA: UNKNOWN,
}
# After these the operation is not as if nothing had been: they have tests of their own below.
LASTING = {Mode.ERROR_CACHED, Mode.AMNESIA, Mode.KEY_TTL}


@every_adapter
@modes_at(Step.SEND)
async def test_a_struck_send_agrees_with_the_book_and_heals(
    trial: Trial, case: Case, mode: Mode
) -> None:
    await strike(trial, case, mode, Step.SEND)
    operation, (outcomes, effects) = case.operation(), SENT[mode]
    if case.reads_after_send:
        outcomes = READ_AFTER.get(mode, outcomes)

    result = await first_try(trial, case, mode, operation)

    book = await trial.lines(operation.key)
    assert result.outcome in outcomes
    assert [line.effect for line in book].count(case.effect) == effects
    agrees(case, operation, result, book)
    if mode not in LASTING:
        await trial.heal(case.provider)
        after = await trial.settled(operation)
        assert (after.outcome, after.amount) == (Outcome.SUCCEEDED, operation.amount)
        agrees(case, operation, after, await trial.lines(operation.key))


@every_adapter
async def test_operation_done_after_its_caller_was_cut_off_has_one_effect(
    trial: Trial, case: Case
) -> None:
    assert not await trial.strike(case.provider, Mode.LATE_EFFECT, Step.SEND, seconds=0)
    operation = case.operation()

    result = await send(trial.adapters[case.provider], operation)

    assert result.outcome is Outcome.UNKNOWN
    book = await until(lambda: trial.lines(operation.key), bool)
    assert book[0].effect == case.effect
    await trial.heal(case.provider)
    after = await trial.settled(operation)
    assert (after.outcome, after.amount) == (Outcome.SUCCEEDED, operation.amount)
    agrees(case, operation, after, await trial.lines(operation.key))


@every_adapter
async def test_an_error_that_is_kept_answers_the_key_even_after_healing(
    trial: Trial, case: Case
) -> None:
    await strike(trial, case, Mode.ERROR_CACHED, Step.SEND)
    adapter, operation = trial.adapters[case.provider], case.operation()
    await send(adapter, operation)
    await trial.heal(case.provider)

    again, asked = await send(adapter, operation), await adapter.look_up(operation)

    assert (again.outcome, asked.outcome) == (Outcome.UNKNOWN, Outcome.ABSENT)
    assert await trial.lines(operation.key) == []


@every_adapter
async def test_operation_that_the_provider_forgot_is_unknown_and_not_absent(
    trial: Trial, case: Case
) -> None:
    await strike(trial, case, Mode.AMNESIA, Step.SEND)
    adapter, operation = trial.adapters[case.provider], case.operation()
    sent = await send(adapter, operation)

    known = replace(operation, provider_reference=sent.provider_reference)
    asked = await adapter.look_up(known)

    assert asked.outcome is Outcome.UNKNOWN
    assert [line.effect for line in await trial.lines(operation.key)] == [case.effect, "forgotten"]


@every_adapter
async def test_a_key_that_ran_out_does_what_the_adapter_declares(trial: Trial, case: Case) -> None:
    await strike(trial, case, Mode.KEY_TTL, Step.SEND)
    adapter, operation = trial.adapters[case.provider], case.operation()
    await send(adapter, operation)

    await send(adapter, operation)

    again = adapter.capabilities.duplicate_reference is DuplicateReference.CREATES_NEW
    effects = [line.effect for line in await trial.lines(operation.key)]
    assert effects.count(case.effect) == (2 if again else 1)


@every_adapter
async def test_a_key_refused_as_reused_is_no_failure(trial: Trial, case: Case) -> None:
    adapter, operation = trial.adapters[case.provider], case.operation()
    await send(adapter, operation)
    await strike(trial, case, Mode.KEY_MISMATCH, Step.SEND)

    result = await send(adapter, operation)

    assert result.outcome in {*UNKNOWN, *TAKEN}
    agrees(case, operation, result, await trial.lines(operation.key))


# A charge that asks for its payer, who is not there any more: the adapter cancels it.
STOPPED = {
    "payment_method": "pm_card_authenticationRequired",
    "payer_until": datetime(2026, 1, 1, tzinfo=UTC),
}


@every_adapter
@modes_at(Step.CANCEL)
async def test_a_struck_cancel_agrees_with_the_book_and_heals(
    trial: Trial, case: Case, mode: Mode
) -> None:
    await strike(trial, case, mode, Step.CANCEL)
    adapter, operation = trial.adapters[case.provider], case.operation(**STOPPED)

    if mode is Mode.ACCEPT_THEN_HANG:
        result = await cut_off(trial, adapter, operation, "intent_canceled")
    else:
        result = await send(adapter, operation)

    assert result.outcome in ({Outcome.FAILED} if mode is Mode.EXTRA_FIELDS else UNKNOWN)
    agrees(case, operation, result, await trial.lines(operation.key))
    await trial.heal(case.provider)
    assert (await trial.settled(operation)).outcome is Outcome.FAILED
    assert case.effect not in [line.effect for line in await trial.lines(operation.key)]


# The possible outcomes of a struck look-up; a list is read for ids only, so false amounts in it may
# do nothing.
ASKED = {
    Mode.LOOK_UP_LAG: {Outcome.ABSENT, Outcome.UNKNOWN},
    Mode.LIST_LAG: {Outcome.ABSENT, Outcome.UNKNOWN},
    Mode.EXTRA_FIELDS: {Outcome.SUCCEEDED},
}
ID_ONLY = {Mode.AMOUNT_PLUS, Mode.AMOUNT_MINUS, Mode.CURRENCY_SWAP, Mode.NET_OF_FEE}
ID_ONLY |= {Mode.UNKNOWN_STATUS}
QUESTIONS = [
    (step, mode)
    for step in (Step.LOOK_UP, Step.LIST)
    for mode, spec in SPECS.items()
    if step in spec.steps
]


@every_adapter
@pytest.mark.parametrize(("step", "mode"), QUESTIONS, ids=named)
async def test_a_struck_look_up_agrees_with_the_book_and_heals(
    trial: Trial, case: Case, step: Step, mode: Mode
) -> None:
    operation = case.operation()
    done = await trial.done(operation)
    await strike(trial, case, mode, step)
    asked = operation if step is Step.LIST else replace(operation, provider_reference=done.id)
    within = timedelta(milliseconds=100) if mode is Mode.SLOW_LOOK_UP else None

    [result] = [one async for one in Providers(trial.adapters).look_up([asked], within)]

    allowed = ASKED.get(mode, UNKNOWN)
    if step is Step.LIST and mode in ID_ONLY:
        allowed = allowed | {Outcome.SUCCEEDED}
    assert result.outcome in allowed
    agrees(case, operation, result, await trial.lines(operation.key))
    await trial.heal(case.provider)
    after = await trial.adapters[case.provider].look_up(asked)
    assert (after.outcome, after.amount) == (Outcome.SUCCEEDED, operation.amount)


@every_adapter
@pytest.mark.parametrize("step", [Step.LOOK_UP, Step.LIST], ids=named)
async def test_sending_again_while_look_ups_lag_is_one_operation(
    trial: Trial, case: Case, step: Step
) -> None:
    operation = case.operation()
    await trial.done(operation)
    await strike(trial, case, Mode.LOOK_UP_LAG, step)

    result = await send(trial.adapters[case.provider], operation)

    assert result.outcome in {*UNKNOWN, *TAKEN}
    effects = [line.effect for line in await trial.lines(operation.key)]
    assert effects.count(case.effect) == 1


def test_every_mode_that_strikes_a_request_has_its_expectation() -> None:
    assert {mode for mode, spec in SPECS.items() if Step.SEND in spec.steps} == set(SENT)
    assert set(SPECS) == set(Mode)
