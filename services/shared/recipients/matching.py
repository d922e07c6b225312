"""Whether two names are one person's: the name that a merchant gives, and the name that a bank has.
Banks write capitals, leave out middle names, and turn the order around; a merchant mistypes."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher

from anyascii import anyascii

from services.shared.recipients.nouns import AccountCheck

# Words of this likeness are one word mistyped.
ALIKE = 0.8
# Said beside a name and no part of it.
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof", "chief", "alhaji", "alhaja", "sir"})
# Firms write their form in more than one way.
_FORMS = {"limited": "ltd", "incorporated": "inc", "company": "co", "and": "&"}


def compare_names(given: str, held: str) -> AccountCheck:
    """How near the given name is to the one that the account is held under.

    The same words in any order match. A close match lacks words, has initials or a word mistyped,
    and shares at least two words with the other, or all where one has no more.
    """
    ours, theirs = _words(given), _words(held)
    if not ours or not theirs:
        return AccountCheck.NO_MATCH
    if sorted(ours) == sorted(theirs) or "".join(ours) == "".join(theirs):
        return AccountCheck.MATCH
    fewer, more = sorted((ours, theirs), key=lambda words: (len(words), words))
    whole, shared = _shared(fewer, more)
    # Initials alone are anybody's.
    is_close = whole > 0 and shared == len(fewer) and shared >= min(2, len(more))
    return AccountCheck.CLOSE_MATCH if is_close else AccountCheck.NO_MATCH


def _shared(fewer: Sequence[str], more: Sequence[str]) -> tuple[int, int]:
    """How many words of the one name are in the other: written out, and with initials."""
    rest, whole, shared = list(more), 0, 0
    for word in fewer:
        found = next((one for one in rest if _alike(word, one)), None)
        if found is None:
            continue
        rest.remove(found)
        shared += 1
        whole += min(len(word), len(found)) > 1
    return whole, shared


def _alike(word: str, other: str) -> bool:
    if len(word) == 1 or len(other) == 1:
        return word[0] == other[0]
    first, second = sorted((word, other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= ALIKE


def _words(name: str) -> list[str]:
    spelt = anyascii(unicodedata.normalize("NFC", name)).casefold().replace("'", "")
    words = [_FORMS.get(word, word) for word in re.findall(r"[a-z0-9]+|&", spelt)]
    return [word for word in words if word not in _TITLES]
