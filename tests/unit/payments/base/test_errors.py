"""An error is kept by its class and its place, and by none of its words but ours."""

import asyncpg
import pytest

from services.payments.base.attempt_rows import read_answer
from services.payments.base.errors import describe
from services.shared.db_errors import as_ours, failure_of
from services.shared.errors import Invalid, Unavailable
from services.shared.money import parse_amount


def test_an_error_is_named_with_the_place_in_our_code_it_arose_at() -> None:
    with pytest.raises(ValueError, match="Ada") as caught:
        read_answer({"outcome": "Ada Lovelace"})
    words = describe(caught.value)

    assert words.startswith("ValueError in payments.base.attempt_rows.read_answer, line ")
    assert "Ada" not in words


def test_the_words_of_our_own_refusals_are_kept() -> None:
    with pytest.raises(Invalid) as caught:
        parse_amount("x", "USD", field="amount_usd")

    assert describe(caught.value).startswith("Invalid: amount_usd ")
    assert describe(Unavailable("the database cannot answer now")).endswith("cannot answer now")


def test_a_refusal_of_the_database_is_named_by_its_code_and_constraint() -> None:
    error = asyncpg.CheckViolationError("Failing row contains (Ada Lovelace)")
    error.constraint_name = "payments_sum_check"
    failure = failure_of(error)
    assert failure is not None

    words = describe(as_ours(failure))

    assert words == "DatabaseMistake: CheckViolationError SQLSTATE 23514 payments_sum_check"


def test_of_several_errors_the_first_is_named() -> None:
    group = ExceptionGroup("two", [KeyError("Ada"), RuntimeError()])

    assert describe(group) == "KeyError in code that is not ours"
