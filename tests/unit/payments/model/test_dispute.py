"""A dispute after its events, in any order; and the claims that stand in the way."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from services.payments.model.dispute import (
    Dispute,
    DisputeKind,
    DisputeReport,
    DisputeStatus,
    changed_disputes,
    dispute_of,
    money_claimed,
    new_dispute,
    stopping,
    with_dispute,
)
from services.shared.money import Money
from tests.makers import NOW, make_payment

TAKEN, NOTHING = Money(10_000, "USD"), Money(0, "USD")
OPENED = DisputeReport(
    kind=DisputeKind.DISPUTE,
    provider_reference="du_1",
    status=DisputeStatus.NEEDS_RESPONSE,
    reason="fraudulent",
    amount=TAKEN,
    withdrawn=None,
    respond_by=NOW + timedelta(days=7),
)
WITHDRAWN = replace(OPENED, withdrawn=TAKEN)
WON = replace(OPENED, status=DisputeStatus.WON, withdrawn=TAKEN)
REINSTATED = replace(WON, withdrawn=NOTHING)
LOST = replace(OPENED, status=DisputeStatus.LOST, withdrawn=TAKEN)


def _after(*reports: tuple[DisputeReport, int]) -> Dispute:
    payment = make_payment()
    (first, seconds), *others = reports
    dispute = new_dispute(payment, "stripe", first, NOW + timedelta(seconds=seconds))
    for report, later in others:
        dispute = dispute.after(report, NOW + timedelta(seconds=later))
    return dispute


@pytest.mark.parametrize("spread", [0, 1])
@pytest.mark.parametrize(
    ("stages", "status", "withdrawn"),
    [
        ((OPENED, WITHDRAWN, WON, REINSTATED), DisputeStatus.WON, NOTHING),
        ((OPENED, WITHDRAWN, LOST), DisputeStatus.LOST, TAKEN),
    ],
)
def test_the_end_is_the_same_in_any_order(
    stages: tuple[DisputeReport, ...], status: DisputeStatus, withdrawn: Money, spread: int
) -> None:
    stamped = [(report, place * spread) for place, report in enumerate(stages)]

    for order in permutations(stamped):
        dispute = _after(*order)
        assert (dispute.status, dispute.withdrawn) == (status, withdrawn)


def test_an_open_claim_stops_a_payout_and_claimed_money_a_refund() -> None:
    payment = make_payment()
    claim = new_dispute(payment, "stripe", OPENED, NOW)
    warning = replace(claim, kind=DisputeKind.FRAUD_WARNING)
    for dispute, stops, claims in (
        (claim, True, True),
        (replace(claim, status=DisputeStatus.LOST), True, True),
        (replace(claim, status=DisputeStatus.WON), False, False),
        (replace(claim, stops=False), False, True),
        (warning, True, False),
        (replace(warning, status=DisputeStatus.CLOSED), False, False),
    ):
        whole = with_dispute(payment, dispute)
        assert (stopping(whole) is not None, money_claimed(whole) is not None) == (stops, claims)


def test_a_claim_is_known_by_its_provider_and_its_id() -> None:
    payment = make_payment()
    claim = new_dispute(payment, "stripe", OPENED, NOW)
    whole = with_dispute(payment, claim)

    assert dispute_of(whole, "stripe", "du_1") == claim
    assert dispute_of(whole, "stripe", "du_2") is None
    assert dispute_of(whole, "other", "du_1") is None
    assert changed_disputes(payment, whole) == [(None, claim)]
    assert changed_disputes(whole, whole) == []
    assert claim.dispute_id.startswith("dsp_")
