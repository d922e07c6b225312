"""The time that a refusal's headers ask for: read in every form, believed within bounds."""

from datetime import UTC, datetime

import pytest

from services.providers.adapters.kit.retry_after import RETRY_AFTER_SECONDS_MAX, retry_after_seconds

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "30"}, 30),
        ({"retry-after": " 30 "}, 30),
        ({"retry-after": "1.2"}, 2),
        ({"retry-after": "301"}, RETRY_AFTER_SECONDS_MAX),
        ({"retry-after": "9" * 20}, RETRY_AFTER_SECONDS_MAX),
        ({"retry-after": "9" * 5000}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "Infinity"}, 0),
        ({"retry-after": "\u0663\u0660"}, 0),
        ({"retry-after": "Sat, 28 Nov 2026 12:01:30 GMT"}, 90),
        ({"retry-after": "Saturday, 28-Nov-26 12:01:30 GMT"}, 90),
        ({"retry-after": "Sat, 28 Nov 2026 11:59:00 GMT"}, 0),
        ({"retry-after": "Sat, 99 Nov 2026 12:01:30 GMT"}, 0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, RETRY_AFTER_SECONDS_MAX),
        # The provider's clock is an hour behind ours: only its own difference counts.
        (
            {
                "retry-after": "Sat, 28 Nov 2026 11:00:10 GMT",
                "date": "Sat, 28 Nov 2026 11:00:00 GMT",
            },
            10,
        ),
        ({"ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-reset": str(EPOCH + 45)}, 45),
        ({"x-ratelimit-reset": str((EPOCH + 45) * 1000)}, 45),
        ({"ratelimit": '"default";r=0;t=21'}, 21),
        ({"ratelimit": "limit=100, remaining=0, reset=22"}, 22),
        ({"ratelimit": '"default";r=42'}, 0),
        ({"retry-after": "5", "ratelimit-reset": "60"}, 5),
        ({"retry-after": "zebra", "ratelimit-reset": "60"}, 60),
    ],
)
def test_a_rate_limit_is_read_in_every_form(headers: dict[str, str], seconds: int) -> None:
    assert retry_after_seconds(429, headers, NOW) == seconds


def test_a_limit_that_begins_again_says_nothing_of_a_fault() -> None:
    assert retry_after_seconds(503, {"ratelimit-reset": "60"}, NOW) == 0
    assert retry_after_seconds(503, {"retry-after": "60"}, NOW) == 60
