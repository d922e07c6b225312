"""How our Python looks: sizes, docstrings, no float near money, nothing left for later."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.places import CODE, ROOT, SERVICES, at, check, files, functions, tree

FILE_LINES = 400
FUNCTION_LINES = 50
PARAMETERS = 6
# A migration is written once, in the order of what it does.
UNMEASURED = "migrations"
MONEY_PATH = re.compile(
    r"services/(shared/money\.py"
    # Intervals may have a fraction.
    r"|payments/(model/(?!timing)\w+|\w+/(domain|convert|decisions/.+)|orders/\w+)\.py"
    r"|\w+/(domain|usecases|convert)\.py)"
)
SLEEPLESS = tuple(f"tests/{ring}" for ring in ("unit", "wire", "database", "contract", "e2e"))


def measured() -> Iterator[Path]:
    return (path for path in files("*.py") if UNMEASURED not in path.parts)


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in measured()}
    check(
        at(path, length, f"{length} lines; make it a folder of its name, or split it by noun")
        for path, length in lengths.items()
        if length > FILE_LINES
    )


def test_functions_are_short() -> None:
    check(
        at(path, function.lineno, f"{function.name} has {length} lines; move leaves below it")
        for path in measured()
        for function in functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    )


def test_functions_take_few_parameters() -> None:
    check(
        at(path, function.lineno, f"{function.name} takes {count}; put them into a dataclass")
        for path in measured()
        if "tests" not in path.parts
        for function in functions(path)
        if (count := _positional(function)) > PARAMETERS
    )


def _positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    return len([name for name in names if name not in ("self", "cls")])


def test_every_module_says_what_it_is() -> None:
    check(
        at(path, 1, "begin with a docstring: what is here, and what is deliberately elsewhere")
        for path in files("*.py")
        if tree(path).body and not ast.get_docstring(tree(path))
    )


def test_money_is_never_a_float() -> None:
    check(
        at(path, node.lineno, "money and rates are int and Decimal; write the number as text")
        for path in files("*.py", below=("services",))
        if _handles_money(path)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.expr) and _is_float(node)
    )


def _is_float(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "float"


# The one literal for the currency that payers pay in, and tables of currencies of another meaning.
SOURCE_CURRENCY = "USD"
NAMED_IN = {
    "services/shared/money.py": "the one constant",
    "services/fx/sources/tables.py": "the base that two sources take where none is named",
    "services/providers/adapters/flutterwave/rails.py": "the currencies that it pays out",
    "services/providers/simulator/faults/answer_faults.py": "a currency in place of another",
    "services/providers/simulator/flutterwave_transfers.py": "its fees",
}


def test_no_literal_but_one_says_which_currency_is_collected() -> None:
    word = re.compile(rf"\b{SOURCE_CURRENCY}\b")
    check(
        at(path, node.lineno, "use the corridor's source currency, or money.SOURCE_CURRENCY")
        for path in files("*.py", below=("services", "gateway", "deploy"))
        if path.relative_to(ROOT).as_posix() not in NAMED_IN and UNMEASURED not in path.parts
        for node in _literals(path)
        if word.search(str(node.value))
    )


def test_the_places_of_that_literal_have_it() -> None:
    check(
        at(ROOT / name, 1, "names it no longer; take it off the list")
        for name in NAMED_IN
        if not any(node.value == SOURCE_CURRENCY for node in _literals(ROOT / name))
    )


def _literals(path: Path) -> list[ast.Constant]:
    """The texts of a module, the parts of an f-string among them, without docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree(path))
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if node not in docstrings
    ]


def test_money_path_is_found() -> None:
    found = [path for path in files("*.py", below=("services",)) if _handles_money(path)]
    assert {path.relative_to(ROOT).parts[1] for path in found} == {*SERVICES, "shared"}


def _handles_money(path: Path) -> bool:
    return bool(MONEY_PATH.fullmatch(path.relative_to(ROOT).as_posix()))


def test_only_the_authoriser_makes_a_merchant_id() -> None:
    """A store method that takes one can then only be given the merchant that makes the call."""
    check(
        at(path, call.lineno, "take the MerchantId that the authoriser has made")
        for path in files("*.py", below=("services",))
        if path != ROOT / "services/payments/merchants/authoriser.py"
        for call in ast.walk(tree(path))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("MerchantId")
    )


def test_nothing_is_left_for_later() -> None:
    # In two parts, so that this line does not find itself.
    later = re.compile(r"\b(TO" r"DO|FIX" r"ME|HA" r"CK)\b")
    kinds = ("*.py", "*.proto", "*.md", "*.toml", "*.yaml", "*.yml", "*.lua", "*.js", "*.sql")
    check(
        at(path, number, "do it now, or write it down as an issue and leave it out here")
        for path in files(*kinds, below=CODE)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if later.search(line)
    )


def test_tests_await_events_instead_of_sleeping() -> None:
    check(
        at(path, node.lineno, "await what you are waiting for; a sleep is too long or too short")
        for path in files("*.py", below=SLEEPLESS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) == "sleep"
        # Zero seconds only let others run.
        and not (node.args and getattr(node.args[0], "value", None) == 0)
    )
