"""Ids: a UUIDv7 inside, and outside a prefixed text of 26 base32 digits as the TypeID 0.3
specification has it, for example pay_01jd8x3v9me7rb5k3n6q2f4h8z."""

from uuid import UUID

import uuid_utils.compat

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Digits are written by twos: thirteen steps for the 26 of an id.
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_SHIFTS = range(120, -1, -10)
_VALUES = {digit: value for value, digit in enumerate(_ALPHABET)}


def new_id() -> UUID:
    """A new UUIDv7: sorts by creation time, unique without coordination (RFC 9562)."""
    return uuid_utils.compat.uuid7()


def encode_id(prefix: str, value: UUID) -> str:
    """The public text of an id."""
    number = value.int
    return f"{prefix}_{''.join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])}"


def decode_id(prefix: str, text: str) -> UUID | None:
    """The id behind a public text, or None where the text is none of this prefix."""
    head, _, digits = text.rpartition("_")
    if head != prefix or len(digits) != 26 or digits[0] > "7":
        return None
    number = 0
    for digit in digits:
        value = _VALUES.get(digit)
        if value is None:
            return None
        number = number << 5 | value
    return UUID(int=number)
