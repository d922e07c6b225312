"""The score counts what no test noticed, and nothing that was not tried."""

import json
from pathlib import Path

from tests.mutants.__main__ import Score, read, render, score, survivors, total

EXIT_CODES = {
    "m.x_a__mutmut_1": 1,
    "m.x_a__mutmut_2": 0,
    "m.x_b__mutmut_1": 33,
    "m.x_b__mutmut_2": 36,
}


def test_a_mutant_is_noticed_where_its_tests_fail_or_hang() -> None:
    assert score(EXIT_CODES) == Score(noticed=2, all=4)
    assert survivors(EXIT_CODES) == ["m.x_a__mutmut_2", "m.x_b__mutmut_1"]


def test_mutant_that_was_not_tried_is_not_counted(tmp_path: Path) -> None:
    folder = tmp_path / "services"
    folder.mkdir()
    tried = {"exit_code_by_key": {**EXIT_CODES, "m.x_c__mutmut_1": None}}
    (folder / "money.py.meta").write_text(json.dumps(tried))
    (folder / "ids.py.meta").write_text(json.dumps({"exit_code_by_key": {}}))

    assert read(tmp_path) == {"services/money.py": EXIT_CODES}


def test_the_table_ends_with_all_modules_together() -> None:
    scores = {"a.py": Score(noticed=3, all=4), "b.py": Score(noticed=5, all=6)}

    assert total(scores) == Score(noticed=8, all=10)
    assert " ".join(render(scores).splitlines()[-1].split()) == "all 8 of 10 noticed 80.0%"
