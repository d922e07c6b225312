"""A key is read strictly, and two requests differ by the fields that they ask for."""

import pytest

from services.payments.base.idempotency import (
    IDEMPOTENCY_HEADER,
    IdempotencyKeyInvalid,
    IdempotencyKeyRequired,
    digests_of,
    fingerprint_of,
    read_idempotency_key,
    recovered_key,
)
from services.payments.model.principal import MerchantId


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


def test_the_digest_of_a_request_needs_its_key() -> None:
    merchant, body = MerchantId("sandbox"), b"fingerprint"
    key, request = digests_of((merchant, "order-7"), body)

    other_key = digests_of((merchant, "order-8"), body)
    others = [other_key, digests_of((MerchantId("b"), "order-7"), body)]

    assert all(other[0] != key and other[1] != request for other in others)
    assert digests_of((merchant, "order-7"), b"another body")[0] == key
    assert digests_of((merchant, "order-7"), b"another body")[1] != request


def test_no_key_of_a_caller_is_the_name_of_a_digest() -> None:
    name = recovered_key((MerchantId("sandbox"), "order-7"))

    with pytest.raises(IdempotencyKeyInvalid):
        read_idempotency_key([("idempotency-key", name)])
