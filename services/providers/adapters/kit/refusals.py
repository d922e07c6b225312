"""The codes by which adapters say why a provider refused, beside those of the recipient and of the
route in failures; and tables of a provider's sentences, in which … stands for any words."""

import re
from collections.abc import Iterable, Mapping
from functools import cache

# Of our request.
AMOUNT_INVALID = "amount_invalid"
CURRENCY_UNSUPPORTED = "currency_unsupported"
REQUEST_INVALID = "request_invalid"
# Of no cause that has a code: nothing was paid, or the money came back.
PAYOUT_BLOCKED = "payout_blocked"
PAYOUT_FAILED = "payout_failed"
PAYOUT_RETURNED = "payout_returned"

# A provider's sentences in plain form, each with our code.
Sentences = Mapping[str, str]
_ANY = "…"


def plain(words: str) -> str:
    """A sentence without case, quotation marks, surplus spaces, and the mark at its end."""
    return " ".join(words.casefold().translate(_UNQUOTED).split()).rstrip(" .!")


def code_of(words: str, sentences: Sentences) -> str | None:
    """Our code of a provider's words; None where they are none of its sentences."""
    found = sentence_of(words, sentences)
    return sentences[found] if found else None


def sentence_of(words: str, sentences: Iterable[str]) -> str | None:
    """The first of the sentences that these words are; None where they are none."""
    said = plain(words)
    return next((one for one in sentences if _pattern(one).fullmatch(said)), None)


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, sentence.split(_ANY))), re.DOTALL)


_UNQUOTED = str.maketrans("", "", "\"'`\N{RIGHT SINGLE QUOTATION MARK}")
