"""The text of a key says by itself whose key it is, and whether it was mistyped."""

import pytest

from services.payments.merchants.domain import ApiKeyInvalid, ApiKeyMistyped
from services.payments.merchants.key_text import (
    digest_of,
    is_key_text,
    new_key_text,
    read_key_text,
)
from services.shared.ids import encode_id, new_id

KEY_ID = new_id()
TEXT = new_key_text(KEY_ID, is_operators=False, is_live=False)


@pytest.mark.parametrize(
    ("is_operators", "is_live", "prefix"),
    [
        (False, False, "cvl_test_"),
        (False, True, "cvl_live_"),
        (True, False, "cvo_test_"),
        (True, True, "cvo_live_"),
    ],
)
def test_a_text_says_whose_key_it_is(is_operators: bool, is_live: bool, prefix: str) -> None:
    text = new_key_text(KEY_ID, is_operators=is_operators, is_live=is_live)
    said = read_key_text(text)

    assert text.startswith(prefix)
    assert len(text) == len(prefix) + 26 + 43 + 6
    assert (said.id, said.is_operators, said.is_live) == (KEY_ID, is_operators, is_live)
    assert said.digest == digest_of(text)


def test_the_id_stands_in_the_text() -> None:
    assert encode_id("key", KEY_ID).removeprefix("key_") in TEXT


def test_no_two_texts_are_the_same() -> None:
    texts = {new_key_text(KEY_ID, is_operators=False, is_live=False) for _ in range(100)}

    assert len(texts) == 100


@pytest.mark.parametrize("place", range(len("cvl_test_"), len(TEXT)))
def test_one_wrong_character_anywhere_is_noticed(place: int) -> None:
    other = "1" if TEXT[place] == "0" else "0"
    with pytest.raises(ApiKeyMistyped):
        read_key_text(TEXT[:place] + other + TEXT[place + 1 :])


@pytest.mark.parametrize("place", range(len("cvl_test_") + 26, len(TEXT) - 1))
def test_two_exchanged_characters_are_noticed(place: int) -> None:
    exchanged = TEXT[:place] + TEXT[place + 1] + TEXT[place] + TEXT[place + 2 :]
    if exchanged != TEXT:
        with pytest.raises(ApiKeyMistyped):
            read_key_text(exchanged)


@pytest.mark.parametrize(
    "text",
    [
        TEXT[:-1],
        TEXT + "0",
        TEXT.upper().replace("CVL_TEST_", "cvl_test_"),
        TEXT.replace("_test_", "_prod_"),
        "cvl_",
        "cvl_test_",
        TEXT + "\n",
        TEXT[:-1] + "\u0660",
        "cvl_test_" + "8" + TEXT[10:],
    ],
)
def test_a_text_of_another_form_is_mistyped(text: str) -> None:
    with pytest.raises(ApiKeyMistyped):
        read_key_text(text)


@pytest.mark.parametrize("text", ["", "nobody", "sk_test_1234", " " + TEXT])
def test_another_text_is_no_key(text: str) -> None:
    assert not is_key_text(text)
    with pytest.raises(ApiKeyInvalid):
        read_key_text(text)
