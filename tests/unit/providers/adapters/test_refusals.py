"""Tables of a provider's sentences: … stands for any words, and case, quotation marks and spaces do
not count; each code of an adapter is of the recipient, of the route, or of neither."""

import pytest

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.refusals import PASSING, code_of, sentence_of
from services.providers.domain import RECIPIENT_FAILURES

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


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_each_definitive_failure_is_of_the_recipient_of_the_route_or_of_neither(name: str) -> None:
    record = ADAPTERS[name].capabilities

    assert record.recipient_failures == record.definitive_failures & RECIPIENT_FAILURES
    assert record.passing_failures == record.definitive_failures & PASSING
