"""A key is read strictly, and two requests differ by the fields that they ask for."""

import pytest

from services.payments.base.idempotency import (
    IDEMPOTENCY_HEADER,
    IdempotencyKeyInvalid,
    IdempotencyKeyRequired,
    fingerprint_of,
    read_idempotency_key,
)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("order-1", "order-1"),
        ('"order-1"', "order-1"),
        ("A.b_c:d-9", "A.b_c:d-9"),
        ("k" * 255,) * 2,
    ],
)
def test_a_key_is_read_without_one_pair_of_quotes(sent: str, read: str) -> None:
    assert read_idempotency_key([("other", "x"), (IDEMPOTENCY_HEADER, sent)]) == read


@pytest.mark.parametrize("sent", ["", '"', '""', "two words", "k" * 256, "clé", '""order""'])
def test_a_key_of_other_characters_is_refused(sent: str) -> None:
    with pytest.raises(IdempotencyKeyInvalid):
        read_idempotency_key([(IDEMPOTENCY_HEADER, sent)])


def test_two_keys_are_refused_and_so_is_none() -> None:
    with pytest.raises(IdempotencyKeyInvalid):
        read_idempotency_key([(IDEMPOTENCY_HEADER, "one"), (IDEMPOTENCY_HEADER, "one")])
    with pytest.raises(IdempotencyKeyRequired):
        read_idempotency_key([])


def test_the_same_request_has_the_same_fingerprint_and_another_one_has_not() -> None:
    one = fingerprint_of("CreatePayment", amount_minor=100, user_id="a")

    assert one == fingerprint_of("CreatePayment", user_id="a", amount_minor=100)
    assert one != fingerprint_of("CreateRefund", amount_minor=100, user_id="a")
    assert one != fingerprint_of("CreatePayment", amount_minor=101, user_id="a")
