"""How long a provider wants to be left alone, as the headers of its refusal say: Retry-After in
either form, or the time at which its rate limit begins again."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil

# A provider may name any time; it is asked once within this one all the same.
RETRY_AFTER_SECONDS_MAX = 300
TOO_MANY_REQUESTS = 429
# The headers in which a rate limit says when it begins again: in seconds, or as a point in time.
RESETS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset")
_SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
# The one header of the newer form: `"default";r=0;t=30` or `limit=10, remaining=0, reset=30`.
_RATE_LIMIT = re.compile(r"(?:^|[;,\s])(?:t|reset)=([0-9]{1,20})(?:$|[;,\s])", re.ASCII)
# No interval of seconds is so long: a larger number is a point in time, or one in milliseconds.
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 10**9, 10**12


def retry_after_seconds(status: int, headers: Mapping[str, str], now: datetime) -> int:
    """Seconds to wait, from 0, where nothing readable is said, to RETRY_AFTER_SECONDS_MAX.

    `headers` finds names in whatever case. A point in time is compared with the answer's own date,
    so that a clock that is wrong here or there does not matter.
    """
    now = _date(headers.get("date", "")) or now
    waits = [_wait(headers.get("retry-after", "").strip(), now)]
    if status == TOO_MANY_REQUESTS:
        reset = _RATE_LIMIT.search(headers.get("ratelimit", ""))
        texts = [headers.get(name, "").strip() for name in RESETS] + [reset[1] if reset else ""]
        waits += [_wait(text, now) for text in texts]
    # The first that says anything: Retry-After is meant for exactly this request.
    seconds = next((wait for wait in waits if wait is not None), 0.0)
    return ceil(min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX))


def _wait(text: str, now: datetime) -> float | None:
    if not _SECONDS.fullmatch(text):
        date = _date(text)
        return (date - now).total_seconds() if date else None
    number = float(text)
    if number >= _EPOCH_MILLISECONDS:
        number /= 1000
    return number - now.timestamp() if number >= _EPOCH_SECONDS else number


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if len(text) <= 64 else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date is None:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
