"""The table of expected times: every state in which the engine has something to do has a usual
time, and each provider's own where it has declared one."""

from datetime import timedelta

from services.payments.model.attempt import Step
from services.payments.model.payment import CORRECTABLE, SETTLED, State
from services.payments.model.progress import STEPS, USUAL, expected_times
from services.payments.model.timing import FINAL_AFTER, OURS
from tests.makers import CAPABILITIES, make_capabilities


def test_every_state_that_the_engine_carries_on_has_a_usual_time() -> None:
    assert set(STEPS) == set(State) - SETTLED - CORRECTABLE - {State.PARTLY_REFUNDED}
    usual = [(time.state, time.step, time.provider, time.within) for time in expected_times({})]
    assert usual == [
        *((s, step, "", USUAL[step] if step else OURS) for s, step in STEPS.items()),
        (State.COMPLETED, Step.PAYOUT, "", FINAL_AFTER),
    ]


def test_a_provider_declares_its_own_for_each_step() -> None:
    slow = make_capabilities(
        "bank", expected={Step.PAYOUT: timedelta(days=2)}, success_final_after=timedelta(days=7)
    )

    declared = [t for t in expected_times({**CAPABILITIES, "bank": slow}) if t.provider == "bank"]

    assert [(time.state, time.step, time.within) for time in declared] == [
        (State.PAYING_OUT, Step.PAYOUT, timedelta(days=2)),
        # A completed payment is asked about once more; unanswered for half an hour it is overdue.
        (State.COMPLETED, Step.PAYOUT, timedelta(days=7, minutes=30)),
    ]
