"""Times that come from outside, in fields of requests and in page tokens. Times that go out are in
convert."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.shared.errors import field_invalid

# asyncpg keeps these two as infinite times and reads them again without a zone.
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def read_instant(stamp: Timestamp, field: str) -> datetime:
    """A time that a caller gives in a field. Raises Invalid."""
    try:
        return _between(stamp.ToDatetime(UTC))
    except (ValueError, OverflowError):
        raise field_invalid(field, f"{field} must be a time between years 1 and 9999") from None


def read_instant_text(text: str) -> datetime:
    """A time with its zone. Raises ValueError, OverflowError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError
    return _between(instant.astimezone(UTC))


def _between(instant: datetime) -> datetime:
    if not _FIRST < instant < _LAST:
        raise ValueError
    return instant
