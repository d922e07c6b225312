"""The names of account holders in the characters that a rail has. Letters that it lacks are written
in those it has only where that is a rule of spelling: Han characters and Arabic have several
readings, and a guess would be another person's name."""

import re
import unicodedata

from anyascii import anyascii

LONGEST_NAME = 70
# The basic set of SEPA and of SWIFT's character set X.
LATIN_PATTERN = r"^[A-Za-z0-9 '.,()/+:?-]{2,70}$"
KATAKANA_PATTERN = r"^[\u30A1-\u30F4\u30FCA-Z0-9 .()/-]{1,48}$"
_LATIN = re.compile(LATIN_PATTERN)
_KATAKANA = re.compile(KATAKANA_PATTERN)
# The scripts whose letters have one spelling in Latin letters each.
_SPELT = ("LATIN ", "GREEK ", "CYRILLIC ")
_HIRAGANA = range(0x3041, 0x3097)
_TO_KATAKANA = 0x60


class Unfit(ValueError):
    """A text that has not the form; the message says which form, and not the text."""


def latin_name(text: str) -> str:
    """The name in the basic Latin set: marks are dropped, Greek and Cyrillic are spelt. Raises
    Unfit."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    name = "".join(map(_latin, composed))
    if not _LATIN.fullmatch(name) or not any(map(str.isalpha, name)):
        raise Unfit(f"must have 2 to {LONGEST_NAME} characters, with a letter among them")
    return name


def katakana_name(text: str) -> str:
    """The name in katakana of full width and capital letters; hiragana is written so too. Raises
    Unfit."""
    composed = unicodedata.normalize("NFKC", " ".join(text.split())).upper()
    name = "".join(
        chr(ord(one) + _TO_KATAKANA) if ord(one) in _HIRAGANA else one for one in composed
    )
    if not _KATAKANA.fullmatch(name) or not any(map(str.isalpha, name)):
        raise Unfit("must be in katakana, as on the account, with at most 48 characters")
    return name


def name_as_given(text: str) -> str:
    """The name in whatever letters it was given. Raises Unfit."""
    name = text.replace("\n", " ").strip()
    if not 1 <= len(name) <= 140 or not any(map(str.isalpha, name)):
        raise Unfit("must have 1 to 140 characters, with a letter among them")
    return name


def _latin(character: str) -> str:
    if character.isascii():
        if not re.fullmatch(r"[A-Za-z0-9 '.,()/+:?-]", character):
            raise Unfit(f"may not have the character {_code(character)}")
        return character
    category = unicodedata.category(character)
    spelt = unicodedata.name(character, "").startswith(_SPELT)
    if category == "Mn":
        # A mark that has no letter of its own with it.
        return ""
    if spelt or category in ("Lm", "Pd", "Pf", "Pi"):
        return anyascii(character)
    raise Unfit(f"must be in Latin letters, as on the account; {_code(character)} is none")


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"
