"""Text from outside, by two rules. A database and protobuf can hold *storable* text: all but the
zero character and halves of surrogate pairs. A person sees *visible* text: by Unicode's own
categories, without characters that turn around, hide or break the text beside them. Text is kept as
it was given, without normalisation: the recipient's bank compares it with its own."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from services.shared.errors import field_invalid

CHARACTER_FORBIDDEN = "CHARACTER_FORBIDDEN"
REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# Controls, formats (bidirectional ones, tags, zero-width ones), surrogates, private use, and the
# separators of lines and paragraphs.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Of those, signs of Arabic, Syriac and Kaithi that stand before a number and are seen.
_SIGNS = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
# Of other categories, letters, marks and a symbol that show nothing: fillers, the grapheme joiner,
# inherent vowels, Mongolian selectors, the blank of Braille; noncharacters; and what Unicode keeps
# for more of their kind. Unassigned characters are let pass otherwise: names are written in letters
# that are newer than this Python.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u2800\u3164\uffa0\ufff0-\ufff8"
    "\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
# Only after something that is seen: scripts of India, Persian and emoji are spelt with them.
_JOINERS = re.compile("[\u200c\u200d]")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def is_storable(text: str) -> bool:
    """Whether a database can hold the text."""
    return _UNSTORABLE.search(text) is None


def storable(value: Any) -> Any:
    """The same JSON value, with each character that cannot be stored replaced."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {storable(name): storable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [storable(part) for part in value]
    return value


def forbidden_character(text: str) -> str | None:
    """The first character that is not visible text; None where there is none."""
    if text.isascii() and text.isprintable():
        return None
    before = " "
    for character in text:
        if not _may_follow(before, character):
            return character
        before = character
    return None


def _may_follow(before: str, character: str) -> bool:
    if _JOINERS.match(character):
        return not before.isspace() and not _JOINERS.match(before)
    if _SELECTORS.match(character):
        return not before.isspace() and not _JOINERS.match(before) and not _SELECTORS.match(before)
    if _BLANK.match(character) or ord(character) & 0xFFFE == 0xFFFE:
        return False
    category = unicodedata.category(character)
    return category not in _INVISIBLE_CATEGORIES or _SIGNS.match(character) is not None


def limited_text(field: str, longest: int) -> Callable[[str], str]:
    """Reads visible text of at most so many characters, each a code point of Unicode.

    The check raises Invalid, which names the field and the character.
    """

    def read(text: str) -> str:
        if len(text) > longest:
            raise field_invalid(field, f"{field} may have at most {longest} characters")
        if forbidden := forbidden_character(text):
            code = f"U+{ord(forbidden):04X}"
            raise field_invalid(
                field,
                f"{field} must be visible text without controls; {code} is none",
                CHARACTER_FORBIDDEN,
                character=code,
            )
        return text

    return read
