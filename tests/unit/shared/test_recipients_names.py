"""Names in the characters of a rail: letters with one spelling are written in Latin, and where
there are several readings the name is refused rather than guessed."""

import pytest

from services.shared.recipients.names import Unfit, katakana_name, latin_name, name_as_given


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada Obi", "Ada Obi"),
        ("O'Brien-Smith (Jr.)", "O'Brien-Smith (Jr.)"),
        ("Ọla\u0301 Adé", "Ola Ade"),
        ("Łukasz Żółć", "Lukasz Zolc"),
        ("Nguyễn Văn Đức", "Nguyen Van Duc"),
        ("José Müßig", "Jose Mussig"),
        ("Søren Ærø", "Soren Aero"),
        ("O\u2019Neill \u2013 Sons", "O'Neill - Sons"),
        ("Γιώργος", "Giorgos"),
        ("Иван Петров", "Ivan Petrov"),
        ("  two   blanks ", "two blanks"),
    ],
)
def test_letters_with_one_spelling_are_written_in_latin(text: str, name: str) -> None:
    assert latin_name(text) == name


@pytest.mark.parametrize(
    "text", ["山田", "عبد", "राजेश", "하나", "さとう", "Ada 👍", "Ada_Obi", "€"]
)
def test_a_name_with_several_readings_is_refused(text: str) -> None:
    with pytest.raises(Unfit):
        latin_name(text)


def test_a_spelling_that_makes_a_name_too_long_is_refused() -> None:
    assert len(latin_name("ß" * 35)) == 70
    with pytest.raises(Unfit):
        latin_name("ß" * 36)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ﾔﾏﾀﾞ ﾀﾛｳ", "ヤマダ タロウ"),
        ("やまだ　たろう", "ヤマダ タロウ"),
        ("abc ｼｮｳｶｲ", "ABC ショウカイ"),
    ],
)
def test_a_name_of_japan_is_written_in_katakana(text: str, name: str) -> None:
    assert katakana_name(text) == name


def test_a_name_as_given_keeps_its_letters() -> None:
    assert name_as_given(" 山田\u3000太郎 ") == "山田\u3000太郎"
