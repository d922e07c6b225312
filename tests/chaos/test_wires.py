"""An answer is found wherever the bytes are cut."""

import pytest

from tests.chaos.wires import Found, Http2, Postgres, Wire

SETTINGS = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + b"\x01" * 6
HEADERS = b"\x00\x00\x03\x01\x04\x00\x00\x00\x01" + b"\x01" * 3
PING = b"\x00\x00\x08\x06\x01\x00\x00\x00\x00" + b"\x01" * 8
# A body in which the bytes of another message stand.
ROW = b"D\x00\x00\x00\x10C\x00\x00\x00\x0bCOMMIT\x00"
BEGUN = b"C\x00\x00\x00\x0aBEGIN\x00"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
READY = b"Z\x00\x00\x00\x05I"
AUTHENTICATED = b"R\x00\x00\x00\x08\x00\x00\x00\x00"


def _found(wire: Wire, data: bytes, size: int) -> Found:
    seen = [wire.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return Found(
        is_reply=any(one.is_reply for one in seen), is_commit=any(one.is_commit for one in seen)
    )


@pytest.mark.parametrize("size", [1, 2, 5, 9, 10, 1000])
def test_http2_answers_with_headers(size: int) -> None:
    assert _found(Http2(), SETTINGS + PING + HEADERS, size).is_reply


@pytest.mark.parametrize("size", [1, 2, 5, 9, 10, 1000])
def test_http2_settings_and_pings_are_no_answer(size: int) -> None:
    assert not _found(Http2(), SETTINGS + PING, size).is_reply


@pytest.mark.parametrize("size", [1, 2, 5, 9, 10, 1000])
@pytest.mark.parametrize("first", [b"", b"N"])
def test_commit_is_found(first: bytes, size: int) -> None:
    data = first + AUTHENTICATED + READY + BEGUN + COMMITTED + READY
    assert _found(Postgres(), data, size) == Found(is_reply=True, is_commit=True)


@pytest.mark.parametrize("size", [1, 2, 5, 9, 10, 1000])
def test_commit_in_a_row_is_data(size: int) -> None:
    data = AUTHENTICATED + READY + BEGUN + ROW + READY
    assert _found(Postgres(), data, size) == Found(is_reply=True, is_commit=False)
