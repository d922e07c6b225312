"""Constants are written into a statement where it names them, and nowhere else."""

import pytest

from services.payments.base.statements import literals, text_with, whens
from services.payments.model.attempt import OVER, Step
from services.payments.model.holds import HoldReason
from services.payments.model.payment import State


def test_each_place_that_names_a_constant_has_it() -> None:
    made = text_with(
        "SELECT :reason, :reason::text, :reasons, a::reason FROM t WHERE b = :reason",
        reason=HoldReason.STEP_FAILED,
    )

    held = "'step_failed'"
    expected = f"SELECT {held}, {held}::text, :reasons, a::reason FROM t WHERE b = {held}"
    assert str(made) == expected
    assert set(made.compile().params) == {"reasons"}


def test_a_constant_that_the_statement_does_not_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no :cause"):
        text_with("SELECT 1", cause=HoldReason.STEP_FAILED)


def test_a_set_of_constants_is_the_list_of_an_in() -> None:
    assert literals(OVER) == "('FAILED', 'REVERSED')"


def test_a_mapping_of_constants_is_the_cases_of_a_case() -> None:
    steps = {State.COLLECTING: Step.COLLECTION, State.REFUNDING: Step.REFUND}

    assert whens(steps) == "WHEN 'COLLECTING' THEN 'collection' WHEN 'REFUNDING' THEN 'refund'"
