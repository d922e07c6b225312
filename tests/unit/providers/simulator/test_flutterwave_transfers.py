"""The simulator's Flutterwave without its server: requests read strictly, and prices."""

from decimal import Decimal
from typing import Any

import pytest

from services.providers.simulator.flutterwave_transfers import (
    Refused,
    as_answer,
    fee_minor,
    line,
    new_transfer,
    number_of,
    read_amount,
)
from tests.unit.providers.simulator.flutterwave_caller import TRANSFER


def transfer(**changes: Any) -> dict[str, Any]:
    return new_transfer({**TRANSFER, "amount": Decimal("148453.38"), **changes}, 190_626)


@pytest.mark.parametrize(
    ("amount_minor", "fee"),
    [(1, 1_075), (500_000, 1_075), (500_001, 2_688), (5_000_000, 2_688), (5_000_001, 5_375)],
)
def test_a_naira_transfer_costs_by_its_size(amount_minor: int, fee: int) -> None:
    assert fee_minor(amount_minor, "NGN") == fee


@pytest.mark.parametrize(
    ("number", "currency", "minor"),
    [
        (Decimal("148453.38"), "NGN", 14_845_338),
        (100, "NGN", 10_000),
        (14_486, "XAF", 14_486),
        (Decimal("9999999999999.99"), "NGN", 999_999_999_999_999),
    ],
)
def test_an_amount_is_read_and_written_exactly(
    number: int | Decimal, currency: str, minor: int
) -> None:
    assert read_amount(number, currency) == minor
    assert Decimal(str(number_of(minor, currency))) == number


@pytest.mark.parametrize("number", [0, -1, True, "1", 1.5, Decimal("1.005"), 10**13 + 1, None])
def test_invalid_amount_is_refused(number: object) -> None:
    with pytest.raises(Refused):
        read_amount(number, "NGN")


def test_a_fraction_of_a_franc_is_refused() -> None:
    with pytest.raises(Refused):
        read_amount(Decimal("1.5"), "XAF")


def test_a_transfer_is_shown_under_either_name_and_kept_whole() -> None:
    new = transfer(beneficiary_name="Ada Obi")

    assert as_answer(new)["full_name"] == "Ada Obi"
    assert "full_name" not in as_answer(new, fullname=new["full_name"])
    written = line(new, "payout_accepted")
    assert (written.key, written.id, written.transaction_id, written.amount_minor) == (
        "pay_1-payout-1",
        "190626",
        "pay_1",
        14_845_338,
    )
    assert written.state == new


@pytest.mark.parametrize("meta", [None, [], "pay_1", {}])
def test_a_transfer_may_know_no_payment(meta: object) -> None:
    assert line(transfer(meta=meta), "payout_accepted").transaction_id == ""
