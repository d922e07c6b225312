"""The logs of the run. I21: no secret, card number or whole account number; I25: no process has
taken the database for an older one."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.checker.evidence import Facts
from tests.chaos.checker.report import Finding

# Shorter ones would be found everywhere.
SECRET_LENGTH_MIN = 8
ACCOUNT_LENGTH_MIN = 8
# The fields of recipients that find an account.
ACCOUNT_NAMES = {"account_number", "clabe", "iban", "phone_number", "tax_id", "wallet_id"}
_CARD = re.compile(r"(?<![0-9A-Za-z_.-])[3-6][0-9]{12,18}(?![0-9A-Za-z_.-])", re.ASCII)
# As which an account would stand in a line; there are too many to look for one by one.
_NUMBER = re.compile(r"[0-9]{8,}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_-]{8,}", re.ASCII)


def i21(facts: Facts) -> Finding:
    """Reads every line of every log."""
    found = Finding("I21", "no log holds a secret, a card's number or an account's")
    hidden = {value: name for name, value in facts.secrets.items() if _is_long(value)}
    hidden |= {row.secret: "endpoint secret" for row in facts.ledger.endpoints}
    wanted = re.compile("|".join(map(re.escape, hidden)) or "(?!)")
    accounts = frozenset(_accounts(facts))
    for path in facts.logs:
        for number, line in enumerate(_lines(path), 1):
            seen = wanted.search(line)
            where = f"{path.name}:{number}"
            found.expect(seen is None, f"{where}: {hidden[seen[0]] if seen else ''}")
            named = accounts.intersection([*_NUMBER.findall(line), *_NAME.findall(line)])
            found.expect(not named, f"{where}: an account")
            cards = [digits for digits in _CARD.findall(line) if is_luhn(digits)]
            found.expect(not cards, f"{where}: a number like a card's")
    return found


def i25(facts: Facts) -> Finding:
    """Nobody restores a database here, so that each such finding is a false alarm."""
    found = Finding("I25", "no process takes the database for an older one")
    for path in () if facts.loses_primary else facts.logs:
        for line in _lines(path):
            is_alarm = '"event": "database_older"' in line
            found.expect(not is_alarm, f"{path.name}: {line.strip()}")
    return found


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_long(value: str) -> bool:
    return len(value) >= SECRET_LENGTH_MIN


def _accounts(facts: Facts) -> Iterable[str]:
    for case in facts.cases:
        for name, value in (case.payment.recipient or {}).items():
            if name in ACCOUNT_NAMES and len(value) >= ACCOUNT_LENGTH_MIN:
                yield value.removeprefix("+")


def _lines(path: Path) -> Iterable[str]:
    with path.open(errors="replace") as file:
        yield from file
