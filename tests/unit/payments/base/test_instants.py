"""Times of callers: kept exactly, or refused where the database would keep another one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.base.instants import read_instant, read_instant_text
from services.shared.errors import Invalid

LAST_SECOND = 253_402_300_799
FIRST_SECOND = -62_135_596_800


@pytest.mark.parametrize(
    "stamp",
    [Timestamp(seconds=LAST_SECOND), Timestamp(seconds=FIRST_SECOND, nanos=1000), Timestamp()],
)
def test_a_time_of_the_years_1_to_9999_is_read_as_it_is(stamp: Timestamp) -> None:
    again = Timestamp()
    again.FromDatetime(read_instant(stamp, "expires_at"))

    assert again == stamp


@pytest.mark.parametrize(
    "stamp",
    [
        Timestamp(seconds=LAST_SECOND, nanos=999_999_000),
        Timestamp(seconds=LAST_SECOND, nanos=999_999_999),
        Timestamp(seconds=FIRST_SECOND),
        Timestamp(seconds=LAST_SECOND + 1),
        Timestamp(seconds=FIRST_SECOND - 1),
        Timestamp(seconds=2**63 - 1),
        Timestamp(seconds=0, nanos=2**31 - 1),
    ],
)
def test_a_time_that_would_be_kept_as_an_infinite_one_is_refused(stamp: Timestamp) -> None:
    with pytest.raises(Invalid, match="expires_at must be a time between years 1 and 9999"):
        read_instant(stamp, "expires_at")


def test_a_time_of_a_token_is_read_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert read_instant_text(noon.isoformat()) == datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59.999999+00:00",
        "x",
    ],
)
def test_a_time_of_a_token_that_we_never_wrote_is_none_of_ours(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        read_instant_text(text)
