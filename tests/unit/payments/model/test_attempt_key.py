"""The key of an attempt is read as it was made, and any other text names no payment."""

from uuid import UUID

import pytest

from services.payments.model.attempt import Step
from services.payments.model.attempt_key import key_of, parts_of
from services.shared.ids import Prefix, encode_id

PAYMENT_ID = UUID(int=7)
NAME = encode_id(Prefix.PAYMENT, PAYMENT_ID)


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("number", [1, 12])
def test_a_key_is_read_as_it_was_made(step: Step, number: int) -> None:
    parts = parts_of(key_of(NAME, step, number))

    assert (parts.payment_id, parts.transaction_id) == (PAYMENT_ID, NAME)
    assert (parts.step, parts.number) == (step, number)


@pytest.mark.parametrize("key", ["", NAME, f"{NAME}-payout", f"{NAME}-payout-", f"{NAME}-payout-٣"])
def test_a_text_without_a_number_has_none(key: str) -> None:
    assert parts_of(key).number == 0


@pytest.mark.parametrize("key", ["", "-payout-1", "quo_1-payout-1", "order 7"])
def test_a_text_of_another_form_names_no_payment(key: str) -> None:
    assert parts_of(key).payment_id is None
