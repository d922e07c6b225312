"""SQL that lives on while the schema changes under it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.places import at, check, files, tree

# As a list of columns: not in count(*), and not between two numbers.
EVERYTHING = re.compile(
    r"\b(SELECT|RETURNING|ALL|DISTINCT)\s+\*|\w\.\*|,\s*\*|\)\s*\*\s+FROM\b", re.IGNORECASE
)
STATEMENT = re.compile(r"\b(SELECT|RETURNING)\b")


def _statements(path: Path) -> Iterator[tuple[int, str]]:
    """Every text that reads as SQL, with what an f-string puts into it left out."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.JoinedStr):
            parts = [str(v.value) for v in node.values if isinstance(v, ast.Constant)]
            yield node.lineno, "x".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _problems(path: Path) -> Iterator[str]:
    for line, statement in _statements(path):
        if STATEMENT.search(statement) and EVERYTHING.search(statement):
            yield at(path, line, "name the columns: a migration may add one while we run")


def test_statements_name_their_columns() -> None:
    stores = [path for path in files("*.py", below=("services",)) if "migrations" not in path.parts]
    check(problem for path in stores for problem in _problems(path))


def test_a_list_of_everything_is_found() -> None:
    found = (
        "SELECT * FROM a",
        "SELECT DISTINCT ON (b) * FROM a",
        "SELECT a.* FROM a",
        "UPDATE a SET b = 1 RETURNING *",
        "SELECT b, * FROM a",
        "SELECT 1 UNION ALL SELECT\n    *, b FROM a",
    )
    passed = ("SELECT count(*) FROM a", "SELECT b * c FROM a", "SELECT (b + c) * d FROM a")

    assert all(EVERYTHING.search(statement) for statement in found)
    assert not any(EVERYTHING.search(statement) for statement in passed)
