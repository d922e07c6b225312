"""Ids: a UUIDv7 inside, and outside a prefixed text of 26 base32 digits as the TypeID 0.3
specification has it, for example pay_01jd8x3v9me7rb5k3n6q2f4h8z. A library writes and reads the
digits."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import uuid_utils.compat
from typeid.codecs import base32

DIGITS = 26


class Prefix(StrEnum):
    """The kind of an id, as its public text begins. Merchants store them, so that none changes."""

    PAYMENT = "pay"
    QUOTE = "quo"
    REFUND = "ref"
    DISPUTE = "dsp"
    MERCHANT = "mer"
    API_KEY = "key"
    ENDPOINT = "whe"
    EVENT = "evt"
    OPERATOR_KEY = "opk"
    ACTION = "act"
    PROPOSAL = "prp"
    OVERRIDE = "ovr"
    PAUSE = "pau"


def new_id() -> UUID:
    """A new UUIDv7: sorts by creation time, unique without coordination (RFC 9562)."""
    return uuid_utils.compat.uuid7()


def first_id(at: datetime, margin: timedelta = timedelta(0)) -> UUID:
    """The smallest of the ids that are made from this time and margin on: they begin with the time
    (RFC 9562)."""
    milliseconds = int((at.timestamp() + margin.total_seconds()) * 1000)
    return UUID(int=max(0, milliseconds) << 80)


def encode_id(prefix: str, value: UUID) -> str:
    """The public text of an id."""
    return f"{prefix}_{base32.encode(value.bytes)}"


def decode_id(prefix: str, text: str) -> UUID | None:
    """The id behind a public text, or None where the text is none of this prefix."""
    head, _, digits = text.rpartition("_")
    # The first digit has three bits; the library drops a fourth.
    if head != prefix or len(digits) != DIGITS or digits[0] > "7":
        return None
    try:
        return UUID(bytes=base32.decode(digits))
    except (RuntimeError, UnicodeError):
        # A character that is no digit, or that no encoding has.
        return None
