"""Tables of a provider's sentences: … stands for any words, and case, quotation marks and spaces do
not count."""

import pytest

from services.providers.adapters.kit.refusals import code_of, sentence_of

SENTENCES = {"no … here": "any", "bank code is invalid": "bank", "account…": "account"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Bank code is invalid", "bank"),
        ('  "Bank code"  is\ninvalid. ', "bank"),
        ("No such thing here!", "any"),
        ("account", "account"),
        ("Account number", "account"),
        ("The bank code is invalid", None),
        ("bank code is invalid, maybe", None),
        ("no here", None),
        ("", None),
    ],
)
def test_words_are_a_sentence_whole_or_not_at_all(words: str, code: str | None) -> None:
    assert code_of(words, SENTENCES) == code


def test_the_first_sentence_counts() -> None:
    assert sentence_of("no account here", ["no …", "no account here"]) == "no …"
