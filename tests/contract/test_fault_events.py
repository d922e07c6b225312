"""Every fault of events and of a payout's end, against every registered adapter: an event too many,
too late, in another order, forged, or lying is never taken for more than it is."""

import pytest

from services.providers.domain import Outcome, WebhookSignatureInvalid, WebhookTimestampOutOfRange
from services.providers.simulator.faults.modes import SPECS, Mode, Step
from tests.contract.cases import Case, send
from tests.contract.faults import Trial, agrees, every_adapter, named, strike

# Lies in events that are none about money.
TRUE_AMOUNTS = {Mode.EXTRA_FIELDS, Mode.UNKNOWN_STATUS}


@every_adapter
async def test_an_event_that_comes_before_the_answer_is_believed(trial: Trial, case: Case) -> None:
    await strike(trial, case, Mode.WEBHOOK_FIRST, Step.SEND)
    operation = case.operation()

    await send(trial.adapters[case.provider], operation)

    assert trial.arrived(operation.key) == 1


@every_adapter
async def test_an_event_that_comes_thrice_is_one_fact(trial: Trial, case: Case) -> None:
    await strike(trial, case, Mode.DUPLICATE_WEBHOOK, Step.EVENT)
    operation = case.operation()
    await send(trial.adapters[case.provider], operation)

    # Twice as it is, and once as if it were another.
    events = [await trial.next_event(operation) for _ in range(3)]

    assert {(event.key, event.outcome) for event in events} == {
        (operation.key, Outcome.SUCCEEDED),
    }
    assert len({event.event_id for event in events}) <= 2


@every_adapter
async def test_events_come_in_another_order(trial: Trial, case: Case) -> None:
    await strike(trial, case, Mode.REORDER, Step.EVENT)
    first, second = case.operation(), case.operation()

    await trial.done(first)
    await trial.done(second)

    assert await trial.next_keys({first.key, second.key}) == [second.key, first.key]


@every_adapter
async def test_without_events_asking_finishes(trial: Trial, case: Case) -> None:
    await strike(trial, case, Mode.NO_WEBHOOK, Step.EVENT)
    silent, loud = case.operation(), case.operation()

    result = await trial.done(silent)

    assert result.result.outcome is Outcome.SUCCEEDED
    await trial.heal(case.provider)
    await send(trial.adapters[case.provider], loud)
    await trial.next_event(loud)
    assert trial.arrived(silent.key) == 0


@every_adapter
@pytest.mark.parametrize(
    ("mode", "refusal"),
    [
        (Mode.BAD_SIGNATURE, WebhookSignatureInvalid),
        (Mode.OLD_TIMESTAMP, WebhookTimestampOutOfRange),
        (Mode.FUTURE_TIMESTAMP, WebhookTimestampOutOfRange),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
async def test_a_wrongly_signed_event_is_refused(
    trial: Trial, case: Case, mode: Mode, refusal: type[Exception]
) -> None:
    await strike(trial, case, mode, Step.EVENT)
    operation = case.operation()
    await send(trial.adapters[case.provider], operation)

    with pytest.raises(refusal):
        await trial.next_event(operation)


@every_adapter
@pytest.mark.parametrize(
    "mode",
    [mode for mode, spec in SPECS.items() if {Step.EVENT, Step.SEND} <= spec.steps],
    ids=named,
)
async def test_an_event_with_a_false_amount_is_looked_up(
    trial: Trial, case: Case, mode: Mode
) -> None:
    await strike(trial, case, mode, Step.EVENT)
    operation = case.operation()
    await send(trial.adapters[case.provider], operation)

    event = await trial.next_event(operation)

    # The signature is genuine, so all that protects us is that the amount is compared.
    assert (event.key, event.signed) == (operation.key, True)
    assert (event.amount == operation.amount) == (case.events_name_the_key and mode in TRUE_AMOUNTS)


@every_adapter
async def test_a_held_payout_stays_pending(trial: Trial, case: Case) -> None:
    await strike(trial, case, Mode.HOLD, Step.SETTLE)
    operation = case.operation()

    sent = await send(trial.adapters[case.provider], operation)
    asked = await trial.adapters[case.provider].look_up(operation)

    assert (sent.outcome, asked.outcome) == (Outcome.PENDING, Outcome.PENDING)


@every_adapter
@pytest.mark.parametrize(
    ("mode", "effects", "outcome"),
    [
        (Mode.PAYOUT_FAILS, ["payout_failed"], Outcome.FAILED),
        (Mode.LATE_FAIL, ["payout_completed", "payout_returned"], Outcome.FAILED),
        (Mode.LATE_SUCCESS, ["payout_failed", "payout_completed"], Outcome.SUCCEEDED),
        (
            Mode.FLAPPING,
            ["payout_completed", "payout_returned", "payout_completed"],
            Outcome.SUCCEEDED,
        ),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
async def test_a_payout_ends_as_the_book_says_also_when_it_ends_twice(
    trial: Trial, case: Case, mode: Mode, effects: list[str], outcome: Outcome
) -> None:
    await strike(trial, case, mode, Step.SETTLE)
    operation = case.operation()

    await send(trial.adapters[case.provider], operation)
    for _ in effects:
        await trial.next_event(operation)

    book = await trial.lines(operation.key)
    assert [line.effect for line in book] == [case.effect, *effects]
    result = await trial.adapters[case.provider].look_up(operation)
    assert result.outcome is outcome
    agrees(case, operation, result, book)


def test_every_mode_of_events_and_ends_is_tried() -> None:
    # A refund's end is in test_refunds.
    settling = {Mode.HOLD, Mode.PAYOUT_FAILS, Mode.LATE_FAIL, Mode.LATE_SUCCESS, Mode.REFUND_FAILS}
    # Each cause of a failure is in test_refusals, a payer in test_stripe_payer, a dispute in the
    # simulator's test_stripe_dashboard.
    settling |= {Mode.FLAPPING, Mode.FAILS_AS, Mode.RECIPIENT_REFUSED}
    settling |= {Mode.PAYER_AUTHENTICATES, Mode.PAYER_FAILS, Mode.DISPUTE}
    delivering = {Mode.DUPLICATE_WEBHOOK, Mode.REORDER, Mode.NO_WEBHOOK, Mode.BAD_SIGNATURE}
    delivering |= {Mode.OLD_TIMESTAMP, Mode.FUTURE_TIMESTAMP}
    lying = {mode for mode, spec in SPECS.items() if {Step.EVENT, Step.SEND} <= spec.steps}

    assert {mode for mode, spec in SPECS.items() if Step.SETTLE in spec.steps} == settling
    assert {mode for mode, spec in SPECS.items() if Step.EVENT in spec.steps} == delivering | lying
