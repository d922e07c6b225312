"""The text of a key: `cvl_test_`, `cvl_live_`, `cvo_test_` or `cvo_live_`, the 26 digits of its id,
43 random characters, and a checksum of 6, which shows without a query that a key was
mistyped. `cvl` is a merchant's key and `cvo` an operator's."""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field
from uuid import UUID

from services.payments.merchants.domain import ApiKeyInvalid, ApiKeyMistyped
from services.shared.ids import Prefix, decode_id, encode_id

# In the order of their values, as base 62 is usually written.
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# 62 to the power of 43 is more than 2 to the power of 256, and 62 to that of 6 more than 2 to 32.
_SECRET_CHARACTERS, _CHECKSUM_CHARACTERS = 43, 6
_FORM = re.compile(
    r"cv(?P<owner>[lo])_(?P<mode>test|live)_(?P<id>[0-9a-hjkmnp-tv-z]{26})[0-9A-Za-z]{49}", re.ASCII
)


@dataclass(frozen=True, kw_only=True)
class KeyText:
    """A text of the form of a key, whose checksum fits; whether such a key exists is not known."""

    id: UUID
    is_operators: bool
    is_live: bool
    digest: bytes = field(repr=False)


def new_key_text(key_id: UUID, *, is_operators: bool, is_live: bool) -> str:
    """A new text for the key of this id; it is not kept anywhere."""
    prefix = f"{'cvo' if is_operators else 'cvl'}_{'live' if is_live else 'test'}"
    secret = "".join(secrets.choice(_DIGITS) for _ in range(_SECRET_CHARACTERS))
    body = f"{encode_id(prefix, key_id)}{secret}"
    return body + _checksum(body)


def digest_of(text: str) -> bytes:
    """All that is kept of a key's text. Its 256 random bits make a slow digest needless."""
    return hashlib.sha256(text.encode()).digest()


def is_key_text(text: str) -> bool:
    """Whether a credential is meant as a key, and not as a token."""
    return text.startswith(("cvl_", "cvo_"))


def read_key_text(text: str) -> KeyText:
    """Reads the text of a key, as far as it speaks for itself.

    Raises ApiKeyInvalid, ApiKeyMistyped.
    """
    form = _FORM.fullmatch(text)
    key_id = decode_id(Prefix.API_KEY, f"{Prefix.API_KEY}_{form['id']}") if form else None
    if form is None or key_id is None:
        raise ApiKeyMistyped if is_key_text(text) else ApiKeyInvalid
    if text[-_CHECKSUM_CHARACTERS:] != _checksum(text[:-_CHECKSUM_CHARACTERS]):
        raise ApiKeyMistyped
    return KeyText(
        id=key_id,
        is_operators=form["owner"] == "o",
        is_live=form["mode"] == "live",
        digest=digest_of(text),
    )


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
