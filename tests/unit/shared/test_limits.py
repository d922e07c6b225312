"""The bounds of messages, and what they are derived from."""

import re

from gateway.config import COMPOSE, render
from gateway.contract import read_contract
from gateway.routes import DESCRIPTOR
from services.shared.limits import (
    BATCH_MAX_BYTES,
    BODY_MAX_BYTES,
    KIB,
    MESSAGE_MAX_BYTES,
    METADATA_MAX_BYTES,
)

ENVOY = render(COMPOSE)


def test_the_servers_take_what_the_contract_lets_in() -> None:
    limits = read_contract(DESCRIPTOR).limits

    assert (limits.body_max_bytes, limits.message_max_bytes) == (BODY_MAX_BYTES, MESSAGE_MAX_BYTES)


def test_the_gateway_bounds_bodies_by_the_same_number() -> None:
    bodies = re.findall(r"max_request_body_size: (\d+)", ENVOY)
    messages = re.findall(r"max_request_bytes: (\d+)", ENVOY)

    assert {int(size) for size in bodies} == {BODY_MAX_BYTES}
    assert {int(size) for size in messages} == {MESSAGE_MAX_BYTES}


def test_the_servers_take_more_metadata_than_the_gateway_makes_of_its_headers() -> None:
    [*bounds] = {int(size) for size in re.findall(r"max_request_headers_kb: (\d+)", ENVOY)}

    # The path travels twice, and gRPC counts 32 bytes more for each of a hundred headers.
    assert [2 * size * KIB + 100 * 32 < METADATA_MAX_BYTES for size in bounds] == [True]


def test_every_message_fits_into_a_batch() -> None:
    assert MESSAGE_MAX_BYTES < BATCH_MAX_BYTES
