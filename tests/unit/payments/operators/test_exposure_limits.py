"""A file of exposure limits is taken whole or refused in a sentence; while the service runs, a
wrong one leaves the limits as they were."""

from pathlib import Path

import pytest

from services.payments.operators.exposure_limits import ExposureLimitsError, ExposureLimitsFile
from services.shared.money import Money


def _file(folder: Path, text: str) -> Path:
    path = folder / "exposure.toml"
    path.write_text(text)
    return path


def test_each_limit_is_an_amount_of_its_currency(tmp_path: Path) -> None:
    path = _file(tmp_path, '[maximum_owed]\nINR = "25000000.00"\nJPY = "900000"\n')

    assert ExposureLimitsFile(path).current == {
        "INR": Money(2_500_000_000, "INR"),
        "JPY": Money(900_000, "JPY"),
    }


def test_without_a_file_nothing_is_limited() -> None:
    limits = ExposureLimitsFile(None)

    assert limits.reread() == limits.current == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("INR", "it cannot be read as TOML"),
        ('[limits]\nINR = "1.00"', r"it has one table, \[maximum_owed\]"),
        ("[maximum_owed]\n[more]", "and nothing else"),
        ("[maximum_owed]\nINR = 1.00", "INR: write it as text"),
        ('[maximum_owed]\nINR = "0.00"', "INR must be positive"),
        ('[maximum_owed]\nJPY = "1.50"', "JPY may have at most 0 decimals"),
        ('[maximum_owed]\nUSD = "1.00"', "USD is not paid out"),
        ('[maximum_owed]\nABC = "1.00"', "ABC: "),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ExposureLimitsError, match=f"exposure.toml: .*{said}|exposure.toml: {said}"):
        ExposureLimitsFile(_file(tmp_path, text))


def test_a_file_that_has_become_wrong_changes_nothing(tmp_path: Path) -> None:
    limits = ExposureLimitsFile(_file(tmp_path, '[maximum_owed]\nINR = "1.00"\n'))

    _file(tmp_path, "nonsense")
    assert limits.reread() == {"INR": Money(100, "INR")}

    _file(tmp_path, '[maximum_owed]\nINR = "2.00"\n')
    assert limits.reread() == {"INR": Money(200, "INR")}
