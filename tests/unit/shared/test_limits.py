"""The bounds of messages, and what they are derived from."""

import re

from services.shared.limits import (
    BATCH_MAX_BYTES,
    BODY_MAX_BYTES,
    KIB,
    MESSAGE_MAX_BYTES,
    METADATA_MAX_BYTES,
)
from tests.conftest import ROOT

ENVOY = (ROOT / "gateway/envoy.yaml").read_text()


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
