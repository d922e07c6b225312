"""All that is wrong with a request is said in one answer."""

import pytest

from services.payments.base.problems import Problems
from services.shared.errors import Invalid, field_invalid


def _refuse(text: str) -> str:
    raise field_invalid(text, f"{text} is wrong")


def test_right_fields_are_read_and_nothing_is_raised() -> None:
    problems = Problems()

    assert problems.read(str.upper, "inr", "") == "INR"
    problems.raise_any()


def test_one_problem_is_raised_as_it_is_and_several_together() -> None:
    problems = Problems()
    assert problems.read(_refuse, "first", "otherwise") == "otherwise"
    with pytest.raises(Invalid, match="first is wrong"):
        problems.raise_any()

    problems.read(_refuse, "second", "")
    with pytest.raises(Invalid) as caught:
        problems.raise_any()
    assert [violation.field for violation in caught.value.violations] == ["first", "second"]
