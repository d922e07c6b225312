"""The words in which pages show instants, lengths of time and states."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from services.shared.errors import Invalid
from services.shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money, parse_amount

# The colour of a state, beside its word. A word that is in none of these has no colour.
_TONES = {
    "good": "ACTIVE APPROVED COMPLETED DELIVERED ENABLED SUCCEEDED WON",
    "busy": "ACCEPTED COLLECTING CONVERTED CREATED FUNDED GOES_ON INTENDED PAYING_OUT PENDING "
    "PROCESSING REFUNDING SENT UNDER_REVIEW",
    "warn": "ACTION_REQUIRED HALF_OPEN HELD MADE_AGAIN NEEDS_RESPONSE ON_HOLD OPEN PARTLY_REFUNDED "
    "PAUSED PROPOSED RETURNED REVERSED UNKNOWN WAITING",
    "bad": "DISABLED FAILED LOST NOT_HELD REFUSED REVOKED SET_ASIDE",
}
_ENDS = {"ALARM": "an alarm is raised", "REFUND": "the sender is refunded"}
_FIRST = ("verb", "target")
_ID = re.compile("[a-z]{3}_[0-9a-z]{26}")
TONES = {word: tone for tone, words in _TONES.items() for word in words.split()}


def stamp(instant: datetime) -> str:
    """An instant as pages show it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(length: timedelta) -> str:
    """A length of time in its two largest units, for example "3 h 20 min"."""
    seconds = max(0, int(length.total_seconds()))
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    for at, (size, name) in enumerate(units):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            smaller = units[at + 1 : at + 2]
            parts = [f"{whole} {name}"]
            parts += [f"{rest // one} {unit}" for one, unit in smaller if rest // one]
            return " ".join(parts)
    return "0 s"


def tone(word: str) -> str:
    """The colour of a state: good, busy, warn, bad or plain."""
    return TONES.get(word, "plain")


def parts(word: str) -> list[str]:
    """The parts of a long word of a contract or a long id, after each of which a line may end."""
    if _ID.fullmatch(word):
        return [word[: len(word) // 2], word[len(word) // 2 :]]
    return re.split("(?<=[_:/])(?!/)", word) if len(word) > 14 else [word]


def end_of_wait(word: str) -> str:
    """The event at a deadline, as a part of a sentence."""
    return _ENDS.get(word, word)


def shown(value: Any) -> str:
    """A value of a form, as the confirmation shows it."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, list):
        return ", ".join(value)
    return "yes" if value is True else str(value)


def recipient(record: Mapping[str, Any]) -> str:
    """The kind of a recipient, and what an answer shows of it: initials, and last digits."""
    for kind, fields in record.items():
        if fields:
            values = ", ".join(str(value) for value in fields.values() if value)
            return f"{kind.replace('_', ' ').capitalize()}: {values}"
    return "of a kind that this console does not know"


def in_both(amount: Money) -> str:
    """An amount as a decimal, and in minor units."""
    return f"{amount} {amount.currency} ({amount.amount_minor} in minor units)"


def posted(posting: Mapping[str, Any]) -> str:
    """The amount of a posting in both, as far as its text is one."""
    try:
        return in_both(parse_amount(posting["amount"], posting["currency"], field="amount"))
    except Invalid:
        return f"{posting['amount']} {posting['currency']}"


def payload_lines(payload: str) -> list[tuple[str, str]]:
    """The fields of a payload in JSON, each under its whole name; an amount in minor units is a
    decimal too."""
    try:
        lines = list(_lines("", json.loads(payload)))
    except ValueError:
        return [("payload", payload)]
    # The verb and its target come first.
    return sorted(lines, key=lambda line: _FIRST.index(line[0]) if line[0] in _FIRST else 2)


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            whole = f"{name}.{key}" if name else str(key)
            if key == "amount_minor" and (amount := _amount(one, value.get("currency"))):
                yield whole, in_both(amount)
            else:
                yield from _lines(whole, one)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _amount(amount_minor: Any, currency: Any) -> Money | None:
    """None where the two are no amount, as only payments knows their form."""
    if not isinstance(amount_minor, int) or currency not in EXPONENTS:
        return None
    return Money(amount_minor, currency) if 0 <= amount_minor <= MAX_AMOUNT_MINOR else None
