"""Constants are written into a statement where it names them, and nowhere else."""

import pytest

from services.payments.base.statements import text_with
from services.payments.model.holds import HoldReason


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
