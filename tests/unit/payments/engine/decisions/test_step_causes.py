"""The cause of each event of a step has the name of existing rows."""

import pytest

from services.payments.engine.decisions import step_causes
from services.payments.model.attempt import Step
from services.payments.model.causes import HELD


@pytest.mark.parametrize(
    "word",
    [
        *("intended", "not_sent", "accepted", "unknown", "key_retired", "withdrawn", "given_up"),
        *("amount_stated", "failed_over"),
    ],
)
def test_an_event_of_a_step_is_named_by_step_and_word(word: str) -> None:
    causes: step_causes.Causes = getattr(step_causes, word.upper())

    assert {step: cause.value for step, cause in causes.items()} == {
        step: f"{step.value}_{word}" for step in causes
    }
    assert set(causes) == set(Step) - ({Step.REFUND} if word == "failed_over" else set())


def test_after_a_failure_a_hold_says_which_step_it_was() -> None:
    held = {step: HELD[reason] for step, reason in step_causes.HELD_AFTER_FAILURE.items()}

    assert held == {Step.PAYOUT: "held_payout_failed", Step.REFUND: "held_refund_failed"}
