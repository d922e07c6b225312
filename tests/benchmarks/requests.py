"""The requests to the servers under load, as bytes: made from a number, so that every one
differs, by the cheapest means."""

from collections.abc import Sequence
from uuid import uuid4

from tests.benchmarks.load import Make, Target

# Every corridor of deploy/corridors, in turn.
CURRENCIES = (b"INR", b"GHS", b"JPY", b"KES", b"MXN", b"NGN", b"PHP", b"ZAR")
USER = uuid4().hex.encode()


def new_tag() -> str:
    """The prefix of the keys of one measurement."""
    return f"bench-{uuid4().hex[:12]}"


def creating(target: Target, tag: str, api_key: str = "") -> Make:
    """POST /api/payments: another key, user, amount and corridor for each number; of the merchant
    of an API key, where there is one."""
    body = (
        b'{"user_id":"%b-%b-4%b-8%b-%%012x","amount_usd":"%%d.%%02d","destination_currency":"%%b",'
        b'"payment_method":"pm_card_visa","reference":"benchmark"}'
    ) % (USER[:8], USER[8:12], USER[13:16], USER[17:20])
    length = len(body % (0, 100, 0, b"INR"))
    credential = f"authorization: Bearer {api_key}\r\n" if api_key else ""
    head = (
        f"POST /api/payments HTTP/1.1\r\nhost: {target.host}:{target.port}\r\n"
        f"content-type: application/json\r\ncontent-length: {length}\r\n"
        f"{credential}idempotency-key: {tag}-%d\r\n\r\n"
    ).encode()
    template = head + body

    def make(number: int) -> bytes:
        dollars, cents = 100 + number * 37 % 900, number % 100
        return template % (number, number, dollars, cents, CURRENCIES[number % len(CURRENCIES)])

    return make


def quoting(target: Target) -> Make:
    """POST /api/quotes: another amount and corridor for each number."""
    body = b'{"amount_usd":"%d.%02d","destination_currency":"%b"}'
    head = (
        f"POST /api/quotes HTTP/1.1\r\nhost: {target.host}:{target.port}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body % (100, 0, b'INR'))}\r\n\r\n"
    ).encode()

    def make(number: int) -> bytes:
        currency = CURRENCIES[number % len(CURRENCIES)]
        return head + body % (100 + number * 37 % 900, number % 100, currency)

    return make


def getting(target: Target, paths: Sequence[str]) -> Make:
    """GET of each path in turn."""
    requests = [
        f"GET {path} HTTP/1.1\r\nhost: {target.host}:{target.port}\r\n\r\n".encode()
        for path in paths
    ]
    return lambda number: requests[number % len(requests)]


def replaying(target: Target, tag: str, numbers: Sequence[int]) -> Make:
    """The creations with these numbers once more, in turn."""
    make = creating(target, tag)
    requests = [make(number) for number in numbers]
    return lambda number: requests[number % len(requests)]
