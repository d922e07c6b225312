"""A refund and its payment: numbers, replacement, the ids, and what has changed."""

from dataclasses import replace

import pytest

from services.payments.model.holds import HoldReason
from services.payments.model.payment import Payment
from services.payments.model.refund import (
    RefundNotFound,
    RefundStatus,
    changed_refunds,
    new_refund,
    open_refund,
    read_refund_id,
    refund_of,
    with_refund,
)
from services.shared.money import Money
from tests.makers import make_payment


def _with(*cents: int) -> Payment:
    payment = make_payment()
    for amount in cents:
        refund = new_refund(payment, Money(amount, "USD"), reason="r", requested_by="merchant")
        payment = with_refund(payment, replace(refund, status=RefundStatus.SUCCEEDED))
    return payment


def test_refunds_are_numbered_in_their_order_and_named_by_ids_of_their_own() -> None:
    payment = _with(100, 200)

    assert [refund.number for refund in payment.refunds] == [1, 2]
    assert len({refund.id for refund in payment.refunds}) == 2
    for refund in payment.refunds:
        assert refund.refund_id.startswith("ref_")
        assert read_refund_id(refund.refund_id) == refund.id


@pytest.mark.parametrize("text", ["", "ref_", "pay_01jd8x3v9me7rb5k3n6q2f4h8z", "ref_x" * 30])
def test_a_malformed_id_is_that_of_no_refund(text: str) -> None:
    with pytest.raises(RefundNotFound):
        read_refund_id(text)


def test_a_refund_takes_the_place_of_the_one_with_its_number() -> None:
    payment = _with(100, 200, 300)
    changed = replace(payment.refunds[1], status=RefundStatus.PENDING)

    after = with_refund(payment, changed)

    assert [refund.number for refund in after.refunds] == [1, 2, 3]
    assert (open_refund(payment), open_refund(after)) == (None, changed)
    assert refund_of(after, 2) == changed
    assert refund_of(after, 4) is None
    assert refund_of(after, None) is None


def test_only_refunds_that_are_new_or_other_than_before_have_changed() -> None:
    before = _with(100, 200)
    changed = replace(before.refunds[0], provider_reference="re_1")
    after = with_refund(before, changed)
    added = new_refund(after, Money(300, "USD"), reason="", requested_by="worker")

    pairs = changed_refunds(before, with_refund(after, added))

    assert pairs == [(before.refunds[0], changed), (None, added)]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (RefundStatus.PENDING, RefundStatus.HELD),
        (RefundStatus.SUCCEEDED, RefundStatus.SUCCEEDED),
        (RefundStatus.FAILED, RefundStatus.FAILED),
    ],
)
def test_only_an_open_refund_is_held_with_its_payment(
    status: RefundStatus, shown: RefundStatus
) -> None:
    payment = _with(100)
    held = replace(payment, hold_reason=HoldReason.OUTCOME_UNKNOWN)
    refund = replace(payment.refunds[0], status=status)

    assert refund.shown_status(held) is shown
    assert refund.shown_status(payment) is status
