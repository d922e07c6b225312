"""The key of an attempt at its provider: the payment's public id, the step and the number of the
try, for example pay_01jd8x3v9me7rb5k3n6q2f4h8z-payout-1. Providers keep it: it never changes."""

from dataclasses import dataclass
from uuid import UUID

from services.shared.ids import Prefix, decode_id


@dataclass(frozen=True, kw_only=True)
class KeyParts:
    """The parts of a key, or of a text that somebody took for one."""

    transaction_id: str
    step: str
    # From 1; 0 where the text has no number.
    number: int

    @property
    def payment_id(self) -> UUID | None:
        """The id of the payment; None where the text has none."""
        return decode_id(Prefix.PAYMENT, self.transaction_id)


def key_of(transaction_id: str, step: str, number: int) -> str:
    """The key of an attempt."""
    return f"{transaction_id}-{step}-{number}"


def parts_of(key: str) -> KeyParts:
    """The parts of a key. An empty text has empty ones."""
    transaction_id, _, rest = key.partition("-")
    step, _, digits = rest.rpartition("-")
    number = int(digits) if digits.isascii() and digits.isdecimal() else 0
    return KeyParts(transaction_id=transaction_id, step=step, number=number)
