"""Text that a person could not see, or a database could not hold, is refused by name; the scripts
of the countries that are paid out to are not."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.errors import Invalid
from services.shared.text import forbidden_character, is_storable, limited_text, storable

LEGITIMATE = {
    "english": "O'Brien & Söhne, Nr. 7 (№ 12)",
    "yoruba, composed and decomposed": "Ọlá Ọla\u0301",
    "arabic": "عبد الله محمد",
    "arabic, with marks and an abbreviation sign": "مُحَمَّد \u0600\u0661",
    "persian, with a non-joiner": "نامه\u200cای",  # noqa: RUF001 - Persian
    "hindi, with a joiner and a non-joiner": "क्\u200dष राजेश शर्\u200cमा",
    "malayalam, old chillu": "അവന\u0d4d\u200d",
    "sinhala": "ශ\u0dca\u200dරී ලංකා",
    "japanese, with a wide space": "山田\u3000太郎",
    "japanese, with a selected variant": "葛\U000e0100城市",
    "hebrew": "שלום",
    "thai": "สวัสดี",
    "emoji, joined, toned and selected": "👩\u200d💻 👍🏽 ❤\ufe0f 1\ufe0f\u20e3 🇳🇬",
    "a letter newer than this Python": "\U000323b0",
    "currency and no-break space": "₹\u00a0500 ₦",
    "nothing": "",
}
FORBIDDEN = {
    "zero": "\0",
    "a new line": "\n",
    "a tab": "\t",
    "escape": "\x1b",
    "delete": "\x7f",
    "next line (C1)": "\x85",
    "soft hyphen": "\xad",
    "combining grapheme joiner": "\u034f",
    "arabic letter mark": "\u061c",
    "hangul filler": "\u3164",
    "hangul choseong filler": "\u115f",
    "half-width hangul filler": "\uffa0",
    "khmer inherent vowel": "\u17b4",
    "mongolian vowel separator": "\u180e",
    "zero-width space": "\u200b",
    "left-to-right mark": "\u200e",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    **{f"bidirectional U+{code:04X}": chr(code) for code in (*range(0x202A, 0x202F),)},
    **{f"isolate U+{code:04X}": chr(code) for code in (*range(0x2066, 0x206A),)},
    "word joiner": "\u2060",
    "invisible plus": "\u2064",
    "deprecated format": "\u206f",
    "braille blank": "\u2800",
    "byte order mark": "\ufeff",
    "interlinear annotation": "\ufff9",
    "half of a surrogate pair": "\ud800",
    "private use": "\ue000",
    "private use, second plane": "\U000f0000",
    "a tag": "\U000e0041",
    "the end of tags": "\U000e007f",
    "a noncharacter": "\ufdd0",
    "the last noncharacter": "\U0010ffff",
    "musical format": "\U0001d173",
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_legitimate_text_passes(name: str) -> None:
    assert forbidden_character(LEGITIMATE[name]) is None
    assert limited_text("reference", 140)(LEGITIMATE[name]) == LEGITIMATE[name]


@pytest.mark.parametrize("name", FORBIDDEN)
@pytest.mark.parametrize("place", ["{}", "Ada{}", "{}Ada", "A{}da", "عبد{}الله"])
def test_forbidden_character_is_refused_and_named(name: str, place: str) -> None:
    character = FORBIDDEN[name]

    with pytest.raises(Invalid) as refused:
        limited_text("recipient.wallet.holder_name", 140)(place.format(character))

    assert refused.value.error_reason == "CHARACTER_FORBIDDEN"
    assert refused.value.metadata == {
        "field": "recipient.wallet.holder_name",
        "character": f"U+{ord(character):04X}",
    }


@pytest.mark.parametrize(
    "text",
    ["\u200d", " \u200c", "\ufe0f", "a\u200d\u200d", "a \ufe0f", "a\u200c\ufe0f", "a\ufe0f\ufe0f"],
)
def test_a_joiner_that_joins_nothing_is_refused(text: str) -> None:
    assert forbidden_character(text) is not None


def test_every_format_control_private_and_separating_character_is_refused() -> None:
    seen = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    joiners = {0x200C, 0x200D}
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            passes = forbidden_character(f"a{chr(code)}") is None
            assert passes == (code in seen | joiners), f"U+{code:04X}"


def test_every_letter_of_living_scripts_passes() -> None:
    blank = {0x115F, 0x1160, 0x3164, 0xFFA0}
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] in "LN" and code not in blank:
            assert forbidden_character(chr(code)) is None, f"U+{code:04X}"


def test_length_is_counted_in_characters_and_not_in_bytes() -> None:
    read = limited_text("reference", 4)

    assert read("😀😀😀😀") == "😀😀😀😀"
    with pytest.raises(Invalid, match="at most 4 characters"):
        read("aaaaa")


def test_text_is_kept_as_it_was_given() -> None:
    composed, decomposed = "Jos\u00e9", "Jose\u0301"

    assert limited_text("reference", 140)(composed) == composed
    assert limited_text("reference", 140)(decomposed) == decomposed


values = st.recursive(
    st.text(st.characters()) | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


@given(values)
def test_every_value_becomes_storable(value: object) -> None:
    def texts(part: object) -> list[str]:
        if isinstance(part, str):
            return [part]
        if isinstance(part, dict):
            return [text for pair in part.items() for item in pair for text in texts(item)]
        return [text for item in part for text in texts(item)] if isinstance(part, list) else []

    kept = storable(value)

    assert all(is_storable(text) for text in texts(kept))
    if all(is_storable(text) for text in texts(value)):
        assert kept == value
