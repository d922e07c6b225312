"""Names of banks beside names of merchants: the same in any order match, a part or a slip is close,
and another person's never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.recipients import AccountCheck
from services.shared.recipients.matching import compare_names


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Ada Obi", "ADA OBI"),
        ("Ada Obi", "OBI, ADA"),
        ("Adé Òbí", "ADE OBI"),
        ("Dr. Ada Obi", "ADA OBI"),
        ("Mary-Jane O'Neil", "ONEIL MARY JANE"),
        ("Acme Limited", "ACME LTD"),
        ("De Souza", "DESOUZA"),
    ],
)
def test_the_same_words_match(ours: str, theirs: str) -> None:
    assert compare_names(ours, theirs) is AccountCheck.MATCH


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Ada Obi", "ADA NGOZI OBI"),
        ("Ada N. Obi", "ADA NGOZI OBI"),
        ("A. Obi", "ADA OBI"),
        ("Adah Obi", "ADA OBI"),
        ("Pastor Brigth", "PASTOR BRIGHT"),
    ],
)
def test_a_part_or_a_slip_is_close(ours: str, theirs: str) -> None:
    assert compare_names(ours, theirs) is AccountCheck.CLOSE_MATCH
    assert compare_names(theirs, ours) is AccountCheck.CLOSE_MATCH


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Ada Obi", "BEN OKORO"),
        ("Ada Obi", "ADA OKORO"),
        ("Obi", "ADA OBI"),
        ("A. O.", "ADA OBI"),
        ("Ada Obi", ""),
        ("Mr", "MRS"),
        ("...", "ADA OBI"),
    ],
)
def test_another_persons_name_is_no_match(ours: str, theirs: str) -> None:
    assert compare_names(ours, theirs) is AccountCheck.NO_MATCH


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_two_texts_can_be_compared_both_ways(one: str, other: str) -> None:
    assert compare_names(one, other) is compare_names(other, one)
