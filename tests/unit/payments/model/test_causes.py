"""Causes of the history: each hold has one, and none is another's."""

import pytest

from services.payments.model.causes import HELD, HELD_FOR, Cause
from services.payments.model.holds import HoldReason
from services.payments.model.payment import State
from tests.makers import make_payment


def test_each_reason_of_a_hold_has_a_cause_of_its_own() -> None:
    assert set(HELD) == set(HoldReason)
    assert len(set(HELD.values())) == len(HELD)
    assert {HELD_FOR[cause]: cause for cause in HELD_FOR} == dict(HELD)


def test_the_stored_names_of_holds_are_those_of_existing_rows() -> None:
    assert {cause.value for cause in HELD_FOR} == {
        *("held_amount_mismatch", "held_collection_reversed"),
        *("held_discarded_by_operator", "held_disputed"),
        "held_late_funds",
        "held_operator",
        *("held_late_success", "held_outcome_unknown", "held_payout_failed"),
        *("held_payout_unconfirmed", "held_provider_contradicts_itself", "held_provider_unknown"),
        "held_recovered",
        *("held_refund_failed", "held_refund_reversed", "held_step_failed", "held_unknown_status"),
    }
    assert [HELD[reason].value for reason in HoldReason] == [f"held_{r.value}" for r in HoldReason]


def test_no_other_cause_looks_like_a_hold() -> None:
    assert [c for c in Cause if c.value.startswith("held_") and c not in HELD_FOR] == []


@pytest.mark.parametrize("reason", list(HoldReason))
def test_a_payment_that_is_held_has_the_cause_of_its_reason(reason: HoldReason) -> None:
    payment, event = make_payment(state=State.PAYING_OUT).held(reason, actor="worker")

    assert payment.hold_reason is reason
    assert event.cause is HELD[reason]
